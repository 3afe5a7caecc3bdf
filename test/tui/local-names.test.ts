import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostsNames, localNames } from '../../src/tui/local-names.js';

test('hosts files: the first name of an address, comments and empty lines left out', () => {
  const text =
    '# names\n127.0.0.1\tlocalhost here\n\n10.0.0.7  printer.example.org printer # upstairs\nFD00::1 six\n10.0.0.7 other\nalone\n';
  assert.deepEqual(
    [...hostsNames(text)],
    [
      ['127.0.0.1', 'localhost'],
      ['10.0.0.7', 'printer.example.org'],
      ['fd00::1', 'six'],
    ],
  );
});

test('a hosts file of any length takes bounded work; one that is missing is no error', () => {
  const many = Array.from({ length: 20_000 }, (_, k) => `10.${k >> 16}.${(k >> 8) & 255}.${k & 255} n${k}`).join('\n');
  assert.equal(hostsNames(many).size, 10_000);
  assert.ok(localNames('/nonexistent') instanceof Map);
});
