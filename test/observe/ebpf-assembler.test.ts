import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Assembler, Reg } from '../../src/observe/ebpf/assembler.js';
import type { ProgramMaps } from '../../src/observe/ebpf/code.js';
import { flowProgram } from '../../src/observe/ebpf/program.js';

function hex(build: (out: Assembler) => void): string[] {
  const out = new Assembler();
  build(out);
  return Buffer.from(out.assemble()).toString('hex').match(/.{16}/g) ?? [];
}

/** What RFC 9669 says: code, registers (source, then target, four bits each), offset, immediate. */
test('instructions are those of RFC 9669', () => {
  const { r0, r1, r2, r9, fp } = Reg;
  assert.deepEqual(
    hex((out) => {
      out.alu('mov', r2, fp);
      out.aluImm('add', r2, -8);
      out.alu32('mov', r9, r1);
      out.aluImm('mul', r1, 7);
      out.alu('xor', r0, r9);
      out.fromNetwork16(r1);
      out.load(4, r1, r9, 16);
      out.load(1, r1, r9, 1);
      out.store(8, fp, -16, r2);
      out.storeImm(2, fp, -18, 0x1234);
    }),
    [
      'bfa2000000000000',
      '07020000f8ffffff',
      'bc19000000000000',
      '2701000007000000',
      'af90000000000000',
      'dc01000010000000',
      '6191100000000000',
      '7191010000000000',
      '7b2af0ff00000000',
      '6a0aeeff34120000',
    ],
  );
  assert.deepEqual(
    hex((out) => {
      out.atomic('add', 8, r0, 8, r1);
      out.atomic('or', 4, r0, 4, r1);
      out.atomic('fetchAdd', 8, r0, 0, r1);
      out.atomic('exchange', 8, r0, 0, r1);
      out.loadMap(r1, 5);
      out.load64(r2, 0x1122334455667788n);
      out.call(125);
      out.exit();
    }),
    [
      'db10080000000000',
      'c310040040000000',
      'db10000001000000',
      'db100000e1000000',
      '1811000005000000',
      '0000000000000000',
      '1802000088776655',
      '0000000044332211',
      '850000007d000000',
      '9500000000000000',
    ],
  );
});

test('jumps are counted from the instruction behind them', () => {
  const { r1, r2 } = Reg;
  assert.deepEqual(
    hex((out) => {
      out.jumpIfImm('eq', r1, 17, 'there');
      out.jumpIf('le', r2, r1, 'end');
      out.label('there');
      out.jump('end');
      out.exit();
      out.label('end');
      out.exit();
    }),
    ['1501010011000000', 'bd12020000000000', '0500010000000000', '9500000000000000', '9500000000000000'],
  );
  assert.throws(() => hex((out) => out.jump('nowhere')), /no label nowhere/);
});

test('the program jumps forward only, and to no place outside', () => {
  const maps: ProgramMaps = {
    current: 3,
    counters: 4,
    datagrams: 5,
    buckets: 6,
    records: 1024,
    bucketCount: 1024,
    seed: 1n,
  };
  for (const ethernet of [true, false]) {
    for (const direction of [1, 2] as const) {
      const bytes = flowProgram(maps, { ethernet, direction, slot: 9, tosInKey: ethernet });
      const view = new DataView(bytes.buffer);
      const count = bytes.length / 8;
      let jumps = 0;
      for (let n = 0; n < count; n++) {
        const code = view.getUint8(n * 8);
        // Class JMP, but neither call nor exit.
        if ((code & 7) !== 5 || code === 0x85 || code === 0x95) continue;
        const offset = view.getInt16(n * 8 + 2, true);
        assert.ok(offset >= 0 && n + 1 + offset < count, `instruction ${n}: ${offset}`);
        jumps++;
      }
      assert.ok(jumps > 100);
      assert.equal(view.getUint8(bytes.length - 8), 0x95);
    }
  }
});
