import assert from 'node:assert/strict';
import { test } from 'node:test';
import { meterFrames } from '../support/drive.js';
import { fragments4, type TimedFrame, timed, udp, zeros } from '../support/packets.js';

const SIZE = 64;

function fragments(count: number, protocol = 17): TimedFrame[] {
  const whole = protocol === 17 ? udp(1000, 2000, zeros(count * SIZE - 8)) : zeros(count * SIZE);
  const parts = fragments4('10.0.0.1', '10.0.0.2', protocol, whole, 7, SIZE);
  return timed(...parts.map((part, n) => [n / 1000, part] as const));
}

async function overlaps(frames: readonly TimedFrame[]): Promise<number> {
  const { noticed, decoded } = await meterFrames(frames, {});
  assert.equal(decoded, frames.length);
  return noticed.fragmentOverlap ?? 0;
}

test('many fragments one behind the other are one run of bytes: none overlaps, one sent again does', async () => {
  const frames = fragments(60);
  assert.equal(await overlaps(frames), 0);
  for (const again of [1, 20, 59])
    assert.equal(await overlaps([...frames, frames[again]]), 1, `fragment ${again} again`);
});

test('so it is with two runs that grow at the same time', async () => {
  const frames = fragments(60);
  const twoRuns = frames.flatMap((_, n) => (n < 30 ? [frames[n], frames[n + 30]] : []));
  assert.equal(await overlaps(twoRuns), 0);
  for (const again of [1, 29, 59])
    assert.equal(await overlaps([...twoRuns, frames[again]]), 1, `fragment ${again} again`);
});

test('a first fragment that was cut behind its IP header ends where its length says', async () => {
  const [first, ...later] = fragments(3, 253);
  const cut = { ...first, bytes: first.bytes.slice(0, 14 + 20), wire: first.bytes.length };
  assert.equal(await overlaps([cut, ...later]), 0);
  assert.equal(await overlaps([cut, ...later, later[0]]), 1);
});
