import { ErrorCode, RheoError } from '../core/errors.js';

/** Characters of the expression shown on each side of the place that an error points at. */
const CONTEXT = 50;

/** Control characters would move the caret or the terminal's cursor. */
function printable(text: string): string {
  let out = '';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    out += code < 0x20 || (code >= 0x7f && code < 0xa0) ? ' ' : character;
  }
  return out;
}

/** A piece of the expression in quotation marks, cut to a length fit for a message. */
export function quote(text: string): string {
  return `"${printable(text.length > 40 ? `${text.slice(0, 40)}…` : text)}"`;
}

/**
 * An error in a filter expression: says what is wrong, gives the column (from 1) and shows the place with a caret.
 * `at` is the offset in `text`.
 */
export function filterError(text: string, at: number, problem: string, remedy?: string): RheoError {
  const from = Math.max(0, at - CONTEXT);
  const to = Math.min(text.length, at + CONTEXT);
  const before = printable(text.slice(from, at));
  const lead = from > 0 ? '…' : '';
  const line = `${lead}${before}${printable(text.slice(at, to))}${to < text.length ? '…' : ''}`;
  const caret = `${' '.repeat(lead.length + before.length)}^`;
  const message = `filter, column ${at + 1}: ${problem}\n  ${line}\n  ${caret}`;
  return new RheoError(ErrorCode.filter, message, remedy === undefined ? {} : { remedy });
}

/** The remedy for what the complete pcap language has and this subset has not. */
const LATER =
  'it comes with a later release; until then let tcpdump select: tcpdump -r FILE -w - EXPRESSION | rheo read -';

export function notYet(text: string, at: number, what: string): RheoError {
  return filterError(text, at, `${what} is not supported yet`, LATER);
}
