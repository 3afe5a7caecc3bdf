export { pad, safeLines, safeText, textWidth, truncate } from '../tui/text.js';
