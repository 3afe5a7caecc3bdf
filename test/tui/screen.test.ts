import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { diffFrames, Screen } from '../../src/tui/screen.js';

/** A terminal that knows what the screen uses: places, clearing, attributes (left out). */
class Terminal {
  readonly lines: string[];
  constructor(rows: number) {
    this.lines = Array.from({ length: rows }, () => 'old');
  }

  write(text: string): void {
    let row = 0;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what this is about
    for (const [, code, plain] of text.matchAll(/\u001b\[([0-9;]*[A-Za-z])|([^\u001b]+)/g)) {
      if (plain !== undefined) this.lines[row] += plain;
      else if (code === '2J') this.lines.fill('');
      else if (code === '2K') this.lines[row] = '';
      else if (code.endsWith('H')) row = Number(code.split(';')[0]) - 1;
      else assert.match(code, /m$/);
    }
  }
}

test('nothing is written where nothing differs', () => {
  assert.equal(diffFrames(['a', 'b'], ['a', 'b']), '');
});

test('only lines that differ are written', () => {
  const text = diffFrames(['a', 'b', 'c'], ['a', 'x', 'c']);
  assert.match(text, /2;1H.*x/);
  assert.doesNotMatch(text, /[ac]\b|1;1H|3;1H/);
});

test('a terminal that is written to shows each frame, whatever came before', () => {
  const frame = fc.array(fc.constantFrom('', 'a', 'bb', 'ccc'), { maxLength: 6 });
  fc.assert(
    fc.property(fc.array(fc.record({ frame, forget: fc.boolean() }), { minLength: 1, maxLength: 10 }), (steps) => {
      const terminal = new Terminal(6);
      const screen = new Screen((text) => terminal.write(text));
      for (const step of steps) {
        if (step.forget) {
          screen.forget();
          terminal.lines.fill('somebody wrote here');
        }
        screen.draw(step.frame);
        assert.deepEqual(
          terminal.lines,
          terminal.lines.map((_, row) => step.frame[row] ?? ''),
        );
      }
    }),
  );
});
