import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasProgram } from '../support/programs.js';
import { sharedDir } from '../support/shared.js';
import { EXPRESSIONS } from './expressions.js';
import { LINK_TYPES, madeCapture, WITHOUT_ARITHMETIC } from './frames.js';
import { type Capture, joinCaptures, Oracle, thin } from './oracle.js';
import { expressions, vocabularyOf } from './random-expressions.js';

/** RHEO_FILTER_RUNS=N: all packets instead of a sample, and N generated expressions for each link type. */
const runs = Number(process.env.RHEO_FILTER_RUNS ?? 0);
const shared = sharedDir();
const skip = shared === undefined ? 'no shared captures' : hasProgram('tcpdump') ? false : 'no tcpdump';
/** The same expressions in each run of the tests, others in each long run. */
function sized(numRuns: number): { numRuns: number; seed?: number; includeErrorInReport: boolean } {
  const includeErrorInReport = true;
  if (runs > 0) return { numRuns: numRuns === 1 ? 1 : runs, includeErrorInReport };
  return { numRuns, seed: 1, includeErrorInReport };
}

let joined: Capture[] | undefined;

function captures(): Capture[] {
  joined ??= joinCaptures(path.join(shared ?? '', 'captures'));
  return joined;
}

test('selects the packets of real captures that tcpdump selects', { skip }, () => {
  const differences: string[] = [];
  for (const all of captures()) {
    Oracle.over(runs > 0 ? all : thin(all, 3000), (oracle) => {
      // Nearly all is Ethernet: for the others, every fifth expression will do.
      const chosen = EXPRESSIONS.filter((_, k) => runs > 0 || all.link === 1 || (k + all.link) % 5 === 0);
      for (const expression of chosen) {
        const difference = oracle.difference(expression);
        if (difference !== undefined) differences.push(difference.slice(0, 500));
      }
    });
  }
  assert.deepEqual(differences, []);
});

test('generated expressions over the addresses and ports of real captures', { skip }, () => {
  for (const all of captures()) {
    Oracle.over(thin(all, 2000), (oracle) => {
      const property = fc.property(expressions(vocabularyOf(all)), (expression) => {
        assert.equal(oracle.difference(expression, true), undefined);
      });
      fc.assert(property, sized(all.link === 1 ? 40 : 5));
    });
  }
});

test('made and damaged frames of every link layer', { skip: hasProgram('tcpdump') ? false : 'no tcpdump' }, () => {
  const vocabulary = {
    ipv4: ['10.0.0.1', '192.0.2.7', '224.0.0.251'],
    ipv6: ['fe80::1', 'ff02::fb', '2001:db8::9'],
    macs: ['02:00:00:00:00:01', 'ff-ff-ff-ff-ff-ff'],
    ports: [53, 80, 443],
  };
  for (const link of LINK_TYPES) {
    const [capture] = fc.sample(madeCapture(link), sized(1));
    assert.ok(capture);
    Oracle.over(capture, (oracle) => {
      const arithmetics = !WITHOUT_ARITHMETIC.includes(link);
      const chosen = EXPRESSIONS.filter((expression) => arithmetics || !/[=<>]/.test(expression));
      const any = fc.oneof(expressions(vocabulary, arithmetics), fc.constantFrom(...chosen));
      const property = fc.property(any, (expression) => assert.equal(oracle.difference(expression, true), undefined));
      fc.assert(property, sized(6));
    });
  }
});
