import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KeyReader } from '../../src/tui/keys.js';

function keysOf(...pieces: string[]): string[] {
  const reader = new KeyReader();
  return [...pieces.flatMap((piece) => reader.read(piece)), ...reader.flush()];
}

test('keys have names, characters are themselves', () => {
  assert.deepEqual(keysOf('q\u0003\u001b[A\u001bOB\u001b[5~\u001b[6~\u001b[H\u001b[F\r\u007f/é😀'), [
    ...['q', 'interrupt', 'up', 'down', 'pageUp', 'pageDown', 'home', 'end', 'enter', 'backspace', '/', 'é', '😀'],
  ]);
});

test('sequences may come in pieces; escape by itself is the key', () => {
  assert.deepEqual(keysOf('\u001b', '[', 'A'), ['up']);
  assert.deepEqual(keysOf('\u001b'), ['escape']);
  assert.deepEqual(keysOf('\u001b', 'x'), ['escape', 'x']);
  assert.deepEqual(keysOf('\u001b\u001b[A'), ['escape', 'up']);
});

test('sequences without a name here are swallowed whole', () => {
  assert.deepEqual(keysOf('\u001b[1;5C\u001b[<0;12;3M\u001b[200~x'), ['x']);
});

test('any bytes in any pieces: no exception, no control character, nothing kept beyond a sequence', () => {
  const text = fc.string({
    unit: fc.constantFrom('\u001b', '[', 'O', 'A', '~', '1', ';', 'q', '\u0000', '\u009b', '界'),
  });
  fc.assert(
    fc.property(fc.array(text), (pieces) => {
      const keys = keysOf(...pieces);
      for (const key of keys) assert.ok(key.length > 0 && !/^\p{Cc}$/u.test(key), JSON.stringify(key));
    }),
  );
});

test('how the bytes were cut does not matter', () => {
  const keys = fc.array(fc.constantFrom('q', '\u001b[A', '\u001b[5~', '\u001bOB', 'é'), { maxLength: 8 });
  fc.assert(
    fc.property(keys, fc.nat(30), (typed, cut) => {
      const text = typed.join('');
      assert.deepEqual(keysOf(text.slice(0, cut), text.slice(cut)), keysOf(text));
    }),
  );
});

test('a sequence without end is not collected for ever', () => {
  const reader = new KeyReader();
  reader.read(`\u001b[${'1'.repeat(100_000)}`);
  assert.equal(reader.waiting, false);
});
