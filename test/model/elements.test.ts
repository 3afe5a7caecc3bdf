import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { DATA_TYPES, REVERSE_PEN, SEMANTICS, UNITS, VENDOR_REVERSE_BIT } from '../../src/codec/ipfix/data-type.js';
import { createFeatures } from '../../src/meter/features/index.js';
import { coreFields } from '../../src/model/core-fields.js';
import { ELEMENTS, ELEMENTS_BY_NAME, REGISTRY_DATE } from '../../src/model/elements.js';
import { elementLookup } from '../../src/model/elements-lookup.js';
import { OWN_ELEMENT_OF, OWN_ELEMENTS } from '../../src/model/elements-own.js';
import { FIELD_PROFILES } from '../../src/model/elements-profiles.js';
import { keyFields } from '../../src/model/key-fields.js';
import { KEY_PARTS } from '../../src/packet/key.js';
import { hasProgram } from '../support/programs.js';
import { projectRoot } from '../support/shared.js';

const fields = [...coreFields(), ...keyFields(Object.keys(KEY_PARTS)), ...createFeatures('all').fields];

describe('information elements', () => {
  it('are what the table says', () => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/generate-elements.mjs', '--check'], {
      cwd: projectRoot,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
  });

  it('have names and numbers once, and known types, semantics and units', () => {
    assert.match(REGISTRY_DATE, /^\d{4}-\d\d-\d\d$/);
    assert.ok(ELEMENTS.size > 480);
    assert.equal(ELEMENTS_BY_NAME.size, ELEMENTS.size);
    for (const { type, semantics, unit } of [...ELEMENTS.values(), ...OWN_ELEMENTS.values()]) {
      assert.ok(DATA_TYPES.includes(type) && SEMANTICS.includes(semantics) && UNITS.includes(unit));
    }
    const ids = [...OWN_ELEMENTS.values()].map((element) => element.id);
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(ids.every((id) => id > 0 && id < VENDOR_REVERSE_BIT));
  });

  it('are called by their names and numbers wherever members name them', () => {
    for (const { element } of fields) {
      if (element === undefined) continue;
      const ids = element.id.split('/').filter((part) => Number(part) !== REVERSE_PEN);
      const names = element.name.split('/');
      assert.equal(ids.length, names.length);
      names.forEach((name, k) => {
        const known = elementLookup(1)(element.id.startsWith(`${REVERSE_PEN}/`) ? REVERSE_PEN : 0, Number(ids[k]));
        assert.equal(known?.name, name);
      });
    }
  });

  it('exist for every member, IANA’s or ours, but for those that have another way', () => {
    // Options records tell the sampling; a quoted packet has no place in a record yet.
    const others = ['sampling', 'about', 'tunnel'];
    for (const { name, element } of fields) {
      const own =
        OWN_ELEMENT_OF[name] ?? OWN_ELEMENT_OF[name.replace(/^reverse(.)/, (_, c: string) => c.toLowerCase())];
      if (element === undefined && !others.includes(name)) assert.ok(own !== undefined, name);
      if (own !== undefined) assert.ok(OWN_ELEMENTS.has(own), own);
    }
  });

  it('profiles name members that there are', () => {
    const names = new Set([...fields.map((field) => field.name), 'ipVersion']);
    for (const [profile, list] of Object.entries(FIELD_PROFILES)) {
      if (list !== true) for (const name of list) assert.ok(names.has(name), `${profile}: ${name}`);
    }
  });

  it('have the names that tshark knows', { skip: hasProgram('tshark') ? false : 'tshark is not installed' }, () => {
    const { stdout } = spawnSync('tshark', ['-G', 'values'], { encoding: 'utf8', maxBuffer: 1 << 28 });
    let same = 0;
    for (const line of stdout.split('\n')) {
      const [kind, name, number, text] = line.split('\t');
      if (kind !== 'V' || name !== 'cflow.template_ipfix_field_type') continue;
      // Old elements have the names of v9 there.
      const element = ELEMENTS.get(Number(number));
      if (element !== undefined && element.name === text) same++;
    }
    assert.ok(same > 280, `${same} of ${ELEMENTS.size}`);
  });
});
