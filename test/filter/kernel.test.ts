import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RheoError } from '../../src/core/errors.js';
import { type Instruction, kernelFilter } from '../../src/filter/kernel.js';
import { madeCapture } from './frames.js';
import { frameAt, selected } from './oracle.js';
import { expressions } from './random-expressions.js';

/** What the kernel does (Documentation/networking/filter.rst): a load behind the end refuses the packet. */
function run(program: readonly Instruction[], frame: Uint8Array, tagged = false): boolean {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  let a = 0;
  let x = 0;
  for (let pc = 0; ; pc++) {
    assert.ok(pc < program.length, 'ran behind the end of the program');
    const { code, jt, jf, k } = program[pc];
    const size = (code & 0x18) === 0 ? 4 : (code & 0x18) === 8 ? 2 : 1;
    switch (code) {
      case 0x20:
      case 0x28:
      case 0x30:
      case 0x48: {
        if (k === 0xfffff030) {
          a = tagged ? 1 : 0;
          break;
        }
        const at = k + (code === 0x48 ? x : 0);
        if (at + size > frame.length) return false;
        a = size === 4 ? view.getUint32(at) : size === 2 ? view.getUint16(at) : view.getUint8(at);
        break;
      }
      case 0xb1:
        if (k >= frame.length) return false;
        x = (frame[k] & 15) * 4;
        break;
      case 0x54:
        a = (a & k) >>> 0;
        break;
      case 0x15:
        pc += a === k ? jt : jf;
        break;
      case 0x25:
        pc += a > k ? jt : jf;
        break;
      case 0x35:
        pc += a >= k ? jt : jf;
        break;
      case 0x45:
        pc += (a & k) !== 0 ? jt : jf;
        break;
      case 0x06:
        return k !== 0;
      default:
        assert.fail(`unknown instruction ${code}`);
    }
  }
}

const VOCABULARY = {
  ipv4: ['10.0.0.1', '192.0.2.7', '224.0.0.251'],
  ipv6: ['fe80::1', 'ff02::fb', '2001:db8::9'],
  macs: ['02:00:00:00:00:01'],
  ports: [53, 80, 443],
};

test('in the kernel an expression selects what it selects here', () => {
  const [capture] = fc.sample(madeCapture(1), { numRuns: 1, seed: 1 });
  const frames = capture.offsets.map((_, index) => frameAt(capture, index));
  let translated = 0;
  const property = fc.property(expressions(VOCABULARY, false), (expression) => {
    let program: Instruction[] | undefined;
    try {
      program = kernelFilter(expression);
    } catch (error) {
      assert.ok(error instanceof RheoError);
      return;
    }
    if (program === undefined) return;
    translated++;
    const indexes = frames.flatMap((frame, index) => (run(program, frame) ? [index] : []));
    assert.deepEqual(indexes, selected(capture, expression), expression);
  });
  fc.assert(property, { numRuns: 1500, seed: 1 });
  assert.ok(translated > 300, `${translated} expressions were translated`);
});

test('a frame whose tag the kernel has taken off comes through', () => {
  const program = kernelFilter('not host 10.0.0.1 and not tcp') as Instruction[];
  const frame = new Uint8Array(60);
  frame.set([8, 0, 0x45], 12);
  frame[23] = 6;
  assert.equal(run(program, frame), false);
  assert.equal(run(program, frame, true), true);
});

test('what is too much for the kernel is left to us', () => {
  assert.equal(kernelFilter(''), undefined);
  assert.equal(kernelFilter('vlan 5 and host 10.0.0.1'), undefined);
  assert.equal(kernelFilter('tcp[13] & 2 != 0'), undefined);
  const many = Array.from({ length: 300 }, (_, n) => `host 10.0.${n >> 8}.${n & 255}`).join(' or ');
  assert.equal(kernelFilter(many), undefined, 'too far to jump');
});
