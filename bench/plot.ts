export interface Point {
  x: number;
  y: number;
}

export interface Plot {
  title: string;
  xLabel: string;
  yLabel: string;
  points: readonly Point[];
  /** How to write a value of the x axis; it is logarithmic. */
  xText(x: number): string;
}

const WIDTH = 640;
const HEIGHT = 360;
const LEFT = 64;
const RIGHT = 24;
const TOP = 48;
const BOTTOM = 56;

/** A line plot with a logarithmic x axis as SVG, readable on light and on dark pages. */
export function plotSvg(plot: Plot): string {
  const { points } = plot;
  const xs = points.map((point) => Math.log10(point.x));
  const [low, high] = [Math.min(...xs), Math.max(...xs)];
  const step = niceStep(Math.max(...points.map((point) => point.y)) / 5);
  const top = step * Math.ceil(Math.max(...points.map((point) => point.y)) / step);
  const x = (value: number) => LEFT + ((Math.log10(value) - low) / (high - low || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
  const at = (point: Point) => `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`;

  const grid: string[] = [];
  for (let value = 0; value <= top + step / 2; value += step) {
    const height = y(value).toFixed(1);
    grid.push(`<path class="grid" d="M${LEFT} ${height}H${WIDTH - RIGHT}"/>`);
    grid.push(text(LEFT - 8, y(value) + 4, 'end', String(Number(value.toPrecision(4)))));
  }
  const marks = points.flatMap((point) => [
    `<circle cx="${x(point.x).toFixed(1)}" cy="${y(point.y).toFixed(1)}" r="4"/>`,
    text(x(point.x), y(point.y) - 10, 'middle', String(Number(point.y.toPrecision(3)))),
    text(x(point.x), HEIGHT - BOTTOM + 20, 'middle', plot.xText(point.x)),
  ]);
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">`,
    `<title>${escaped(plot.title)}</title>`,
    '<style>text{font:12px sans-serif;fill:#777}.grid{stroke:#7774;fill:none}polyline{stroke:#2a7ab8;fill:none;' +
      'stroke-width:2}circle{fill:#2a7ab8}.title{font-size:14px}</style>',
    `<text class="title" x="${LEFT}" y="24">${escaped(plot.title)}</text>`,
    ...grid,
    `<polyline points="${points.map(at).join(' ')}"/>`,
    ...marks,
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, 'middle', plot.xLabel),
    text(LEFT - 8, TOP - 8, 'end', plot.yLabel),
    '</svg>',
  ].join('\n')}\n`;
}

function text(x: number, y: number, anchor: string, content: string): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

/** 1, 2 or 5 times a power of ten, at least `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= least * 0.999) ?? 10);
}
