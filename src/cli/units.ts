export { durationForPeople, grouped, plural, scaled } from '../tui/units.js';
