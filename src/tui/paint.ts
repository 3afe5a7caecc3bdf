/** Attributes of text. The 16 colors of the terminal's own palette, so that they suit its background. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  /** Bars and the like. */
  graph(text: string): string;
  good(text: string): string;
  warning(text: string): string;
  bad(text: string): string;
  key(text: string): string;
}

function attribute(code: string): (text: string) => string {
  return (text) => (text === '' ? '' : `\u001b[${code}m${text}\u001b[0m`);
}

const COLORED: Paint = {
  bold: attribute('1'),
  dim: attribute('2'),
  graph: attribute('36'),
  good: attribute('32'),
  warning: attribute('33'),
  bad: attribute('1;31'),
  key: attribute('1'),
};

const same = (text: string): string => text;
const PLAIN: Paint = { bold: same, dim: same, graph: same, good: same, warning: same, bad: same, key: same };

/** @param color false: NO_COLOR, --no-color */
export function paint(color: boolean): Paint {
  return color ? COLORED : PLAIN;
}
