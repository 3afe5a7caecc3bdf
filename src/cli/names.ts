export { NameBook } from '../tui/names.js';
