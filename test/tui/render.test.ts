import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NameBook } from '../../src/tui/names.js';
import { paint } from '../../src/tui/paint.js';
import { RateBook } from '../../src/tui/rates.js';
import { renderView } from '../../src/tui/render.js';
import { sparkline } from '../../src/tui/sparkline.js';
import { textWidth } from '../../src/tui/text.js';
import { ViewModel } from '../../src/tui/view-model.js';
import { flowWith, interfaceWith, lossWith } from './watched.js';

const names = new NameBook(true);
const PLAIN = { names, paint: paint(false) };

/** A model with this many flows; flow k sent k × 1000 bytes in the last second. */
function modelWith(flows: number, change: Parameters<typeof lossWith>[0] = {}, book = names): ViewModel {
  const model = new ViewModel(book);
  const rates = new RateBook(10_000);
  const table = (second: number) =>
    Array.from({ length: flows }, (_, k) => flowWith(k, { bytes: k * 1000 * second, reverseBytes: 0 }));
  rates.look(table(0), true, 0);
  model.look = {
    time: new Date('2024-01-01T12:00:00'),
    loss: lossWith(change),
    totals: { byteRate: 125_000, packetRate: 80, history: [1, 2, 3] },
    flows: rates.look(table(1), true, 1000),
    matched: flows,
  };
  return model;
}

function plainText(lines: readonly string[]): string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: attributes of the terminal
  return lines.map((line) => line.replace(/\u001b\[[0-9;]*m/g, ''));
}

test('80 × 24: sums, header, flows by rate, losses, keys', () => {
  const lines = renderView(modelWith(5, { dropped: 0 }), { columns: 80, rows: 24 }, PLAIN);
  assert.equal(lines.length, 24);
  assert.match(lines[0], /^ rheo on eth0 +12:00:00$/);
  assert.match(lines[1], /^ 1\.00 Mbit\/s +80 packets\/s +20 flows +▄▆█$/);
  assert.match(lines[3], /^ PROTO {2}SOURCE +DESTINATION +BIT\/S {2}TREND +TOTAL$/);
  assert.match(lines[4], /^ tcp {4}10\.0\.0\.5 +192\.0\.2\.7:https +32\.0 k +█ {2}4\.00 kB$/);
  assert.match(lines[8], /^ tcp {4}10\.0\.0\.1 +192\.0\.2\.7:https +0 +▁ {5}0 {2}B$/);
  assert.match(lines[22], /^ nothing lost +990 packets, 780 kB, 50 flows$/);
  assert.match(lines[23], /^ q quit {2}s sort: rate {2}f filter/);
});

test('columns line up: each row has its cells below the titles', () => {
  for (const columns of [60, 72, 80, 111, 112, 130, 200]) {
    const lines = renderView(modelWith(9), { columns, rows: 24 }, PLAIN);
    const end = lines[3].indexOf('TOTAL') + 'TOTAL'.length;
    for (const line of lines.slice(4, 13)) assert.equal(line.slice(end - 2, end), line[end - 2] === ' ' ? ' B' : 'kB');
  }
});

test('40 × 10: who with whom, and how fast', () => {
  const lines = renderView(modelWith(5), { columns: 40, rows: 10 }, PLAIN);
  assert.equal(lines.length, 10);
  assert.match(lines[2], /^ SOURCE +DESTINATION +BIT\/S$/);
  assert.match(lines[3], /^ 10\.0\.0\.5 +192\.0.*:https +32\.0 k$/);
});

test('no line is ever wider than the screen, and no screen has more lines, whatever is in the names', () => {
  const text = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.string({ unit: fc.constantFrom('界', 'e\u0301', '\u001b', '\n', '\u202e', 'ｗ', ':', 'a'), maxLength: 60 }),
  );
  const flow = fc.record({ src: text, dst: text, proto: text, interface: text });
  fc.assert(
    fc.property(
      fc.array(flow, { maxLength: 5 }),
      fc.integer({ min: 1, max: 160 }),
      fc.integer({ min: 1, max: 40 }),
      fc.constantFrom('flows', 'interfaces', 'help') as fc.Arbitrary<ViewModel['page']>,
      fc.option(text, { nil: undefined }),
      fc.boolean(),
      (flows, columns, rows, page, typed, paused) => {
        const model = modelWith(3, {
          interfaces: flows.map((one, index) => interfaceWith({ index, name: one.interface })),
        });
        model.page = page;
        model.paused = paused;
        if (typed !== undefined) model.prompt = { kind: 'filter', text: typed, error: typed };
        const rated = new RateBook(10).look(
          flows.map((one, id) => flowWith(id, one)),
          true,
          0,
        );
        model.look = { ...model.look!, flows: rated };
        const lines = plainText(renderView(model, { columns, rows }, { names, paint: paint(true) }));
        assert.ok(lines.length <= rows);
        for (const line of lines) {
          assert.doesNotMatch(line, /[\p{Cc}\u202e]/u);
          assert.ok(textWidth(line) <= columns, `${textWidth(line)} > ${columns}: ${JSON.stringify(line)}`);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('without colour there is not one escape sequence', () => {
  for (const page of ['flows', 'interfaces', 'help'] as const) {
    const model = modelWith(5, { balanced: false, imbalance: ['a ≠ b'] });
    model.page = page;
    assert.ok(!renderView(model, { columns: 80, rows: 24 }, PLAIN).join('').includes('\u001b'));
  }
});

test('losses are told: in the ring, by refusals, early ends, accounts that do not balance', () => {
  const line = (change: Parameters<typeof lossWith>[0]): string =>
    renderView(modelWith(1, change), { columns: 100, rows: 24 }, PLAIN)[22];
  assert.match(line({ dropped: 40 }), /^ 40 packets lost in the ring \(3\.8 %\)/);
  assert.match(
    line({ dropped: 40, refused: { networkShort: 2, notIp: 9 } }),
    /42 packets lost .*, 40 of them in the ring/,
  );
  assert.match(line({ dropped: 0, refused: { notIp: 9, held: 2 } }), /^ nothing lost/);
  const ended = { opened: 9, live: 1, ended: { resources: 1 }, peak: 9 };
  assert.match(line({ dropped: 0, flows: ended }), /^ 1 flow ended early/);
  assert.match(line({ dropped: 0, refused: {}, recordsDropped: 2, recordsLost: 1 }), /^ 3 records lost/);
  assert.match(line({ balanced: false, imbalance: ['packets: 1 ≠ 2'] }), /do not balance: packets: 1 ≠ 2/);
});

test('where nothing flows the view says so, shows the interfaces and what to do', () => {
  const model = modelWith(0, { packets: 0, elapsed: 5 });
  const lines = renderView(model, { columns: 80, rows: 24 }, PLAIN);
  assert.match(lines[3], /No packet yet in 5\.00 s/);
  assert.match(lines[4], /ping localhost/);
  assert.match(lines[6], /INTERFACE +STATE +PACKETS/);
  assert.match(lines[7], /eth0 +up +1\.00 k/);
  model.filter = 'host 10.9.9.9';
  assert.match(renderView(model, { columns: 80, rows: 24 }, PLAIN)[4], /None of 20 flows matches/);
});

test('keys: scroll stays within the rows, sort goes round, pages come and go', () => {
  const model = modelWith(30);
  const shown = (): string[] => renderView(model, { columns: 80, rows: 24 }, PLAIN).slice(4, 21);
  shown();
  model.press('up');
  assert.equal(model.offset, 0);
  model.press('j');
  assert.match(shown()[0], /10\.0\.0\.29 /);
  model.press('G');
  assert.match(shown().at(-1)!, /10\.0\.0\.1 /);
  assert.match(renderView(model, { columns: 80, rows: 24 }, PLAIN)[23], /14–30 of 30$/);
  model.press('pageDown');
  assert.match(shown().at(-1)!, /10\.0\.0\.1 /);
  model.press('g');
  for (const order of ['bytes', 'packets', 'duration', 'source', 'destination', 'rate']) {
    model.press('s');
    assert.equal(model.sort, order);
  }
  model.press('?');
  assert.match(renderView(model, { columns: 80, rows: 24 }, PLAIN).join('\n'), /scroll a line/);
  assert.equal(model.press('j'), undefined);
  assert.equal(model.page, 'flows');
  assert.equal(model.press('q'), 'quit');
});

test('sort by source goes by the names that are shown', () => {
  const book = new NameBook(true);
  book.learn(new Map([['10.0.0.3', '0-first']]));
  const model = modelWith(5, {}, book);
  model.sort = 'source';
  assert.equal(model.rows()[0].flow.src, '10.0.0.3');
});

test('search: narrows as it is typed, escape brings back what was, enter keeps it', () => {
  const model = modelWith(30);
  for (const key of ['/', '0', '.', '7', ':']) model.press(key);
  assert.equal(model.rows().length, 1);
  model.press('escape');
  assert.equal(model.rows().length, 30);
  for (const key of ['/', 'H', 'T', 'T', 'P', 'S', 'x', 'backspace', 'enter']) model.press(key);
  assert.equal(model.rows().length, 30);
  assert.equal(model.search, 'HTTPS');
  model.press('escape');
  assert.equal(model.search, '');
});

test('filter: asked for with enter; a wrong one stays to be corrected', () => {
  const model = modelWith(3);
  model.press('f');
  for (const key of 'tcp q') assert.equal(model.press(key), undefined);
  assert.equal(model.press('enter'), 'applyFilter');
  assert.equal(model.filter, 'tcp q');
  model.refuseFilter('tcp q', 'there is no q');
  const last = (): string => renderView(model, { columns: 80, rows: 24 }, PLAIN).at(-1)!;
  assert.match(last(), /^ filter: tcp q_ {2}there is no q$/);
  model.press('backspace');
  assert.match(last(), /^ filter: tcp _$/);
  assert.equal(model.press('interrupt'), 'quit');
});

test('what is typed is bounded', () => {
  const model = modelWith(3);
  model.press('f');
  for (let k = 0; k < 2000; k++) model.press('x');
  assert.equal(model.prompt?.text.length, 500);
});

test('sparkline: the largest is full, only 0 is empty, blanks where there is no past', () => {
  assert.equal(sparkline([0, 1, 50, 100], 6), '  ▁▂▅█');
  assert.equal(sparkline([1, 2, 3], 2), '▆█');
  assert.equal(sparkline([0, 0], 2), '▁▁');
  assert.equal(sparkline([5], 0), '');
});

test('a daemon that does not answer is told in place of the losses', () => {
  const model = modelWith(3);
  model.failure = 'cannot ask the daemon: gone\u001b[2J';
  assert.match(renderView(model, { columns: 80, rows: 24 }, PLAIN)[22], /^ cannot ask the daemon: gone\?\[2J$/);
});
