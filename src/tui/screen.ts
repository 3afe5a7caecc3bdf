/** Of a terminal, or the part of it that is left. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

const CSI = '\u001b[';

/** Alternate screen, no cursor, no wrapping at the right border (a name that is wider than thought shifts nothing). */
export const ENTER_SCREEN: string = `${CSI}?1049h${CSI}?25l${CSI}?7l${CSI}H${CSI}2J`;
/** Back to how the terminal was. */
export const LEAVE_SCREEN: string = `${CSI}0m${CSI}?7h${CSI}?25h${CSI}?1049l`;

/**
 * What must be written so that a terminal that shows `before` shows `after`: only lines that differ. Without `before`
 * nothing is known of what it shows.
 */
export function diffFrames(before: readonly string[] | undefined, after: readonly string[]): string {
  let text = before === undefined ? `${CSI}0m${CSI}2J` : '';
  const rows = Math.max(after.length, before?.length ?? 0);
  for (let row = 0; row < rows; row++) {
    const line = after[row] ?? '';
    if ((before === undefined && line === '') || line === before?.[row]) continue;
    text += `${CSI}${row + 1};1H${CSI}0m${CSI}2K${line}`;
  }
  return text === '' ? '' : `${text}${CSI}0m`;
}

/** Draws frames onto a terminal. */
export class Screen {
  readonly #write: (text: string) => void;
  #shown: readonly string[] | undefined;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  draw(frame: readonly string[]): void {
    const text = diffFrames(this.#shown, frame);
    this.#shown = frame;
    if (text !== '') this.#write(text);
  }

  /** The next frame is drawn whole: the terminal was resized, or others wrote on it. */
  forget(): void {
    this.#shown = undefined;
  }
}
