/** Edits (insert, delete, replace, swap of neighbours) from one word to the other. */
function distance(from: string, to: string): number {
  const rows: number[][] = [];
  for (let i = 0; i <= from.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= to.length; j++) {
      if (i === 0) {
        rows[0].push(j);
        continue;
      }
      const same = from[i - 1] === to[j - 1] ? 0 : 1;
      let best = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + same);
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        best = Math.min(best, rows[i - 2][j - 2] + 1);
      }
      rows[i].push(best);
    }
  }
  return rows[from.length][to.length];
}

/** The known word that is closest to what was typed, or undefined if none is close. */
export function closest(typed: string, known: Iterable<string>): string | undefined {
  if (typed.length > 40) return undefined;
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(typed.length / 3)) + 1;
  for (const word of known) {
    const edits = distance(typed.toLowerCase(), word.toLowerCase());
    const starts = typed.length >= 3 && word.startsWith(typed);
    const measure = starts ? Math.min(edits, 1) : edits;
    if (measure < bestDistance) {
      bestDistance = measure;
      best = word;
    }
  }
  return best;
}

/** ` Did you mean 'x'?`-sentence, or the given one. */
export function didYouMean(typed: string, known: Iterable<string>, prefix: string, otherwise: string): string {
  const word = closest(typed, known);
  return word === undefined ? otherwise : `Did you mean ${prefix}${word}?`;
}
