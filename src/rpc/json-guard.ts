const QUOTE = 34;
const BACKSLASH = 92;
const BRACKET_OPEN = 91;
const BRACKET_CLOSE = 93;
const BRACE_OPEN = 123;
const BRACE_CLOSE = 125;

/**
 * True if brackets and braces of a JSON text are nested at most `limit` deep: asked before the text is parsed. The text need
 * not be JSON.
 */
export function isShallow(text: string, limit: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at + 1);
    } else if (code === BRACKET_OPEN || code === BRACE_OPEN) {
      if (++depth > limit) return false;
    } else if (code === BRACKET_CLOSE || code === BRACE_CLOSE) {
      depth--;
    }
  }
  return true;
}

/** Where the closing quote stands; the end of the text if there is none. */
function endOfString(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    at += code === BACKSLASH ? 2 : 1;
  }
  return at;
}
