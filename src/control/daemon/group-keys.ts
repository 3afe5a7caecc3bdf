import { ErrorCode, RheoError } from '../../core/errors.js';
import { addressText } from '../../model/address.js';
import { endpoint } from '../../model/core-fields.js';
import type { RecordField } from '../../model/hook.js';
import type { RecordBatch } from '../../model/record-batch.js';
import { Row } from '../../model/row.js';
import { unknownMember } from './sort-key.js';

/** The groups that a record belongs to: one, or those of both of its addresses. */
export type GroupKeys = (batch: RecordBatch, index: number) => readonly string[];

type Text = (batch: RecordBatch, index: number) => string;

const NO_VALUE = '-';
/** Keys that are no members of a record; a prefix may have lengths: prefix/16, prefix/24,/48. */
const NAMED = ['address', 'prefix', 'port', 'protocol', 'conversation'];
const MOST_MEMBERS = 8;
const PREFIX = /^prefix(?:\/(\d{1,3})(?:,\/?(\d{1,3}))?)?$/;

/**
 * What flows are added up by: one of the named keys, or the text of a member, or of several with commas between them.
 * @throws RheoError usage
 */
export function groupKeys(key: string, members: readonly RecordField[]): GroupKeys {
  const prefix = PREFIX.exec(key);
  if (prefix !== null) return prefixes(Number(prefix[1] ?? 24), Number(prefix[2] ?? 64));
  switch (key) {
    case 'address':
      return both((batch, index, responder) => cutAddress(batch, index, responder, 32, 128));
    case 'conversation': {
      const address = (batch: RecordBatch, index: number, responder: boolean): string =>
        cutAddress(batch, index, responder, 32, 128);
      return (batch, index) => {
        // The same order for all flows of the pair, whoever began.
        const pair = [address(batch, index, false), address(batch, index, true)].sort();
        return [pair.join(',')];
      };
    }
    case 'protocol':
      return one(memberText('proto', members));
    case 'port': {
      const proto = memberText('proto', members);
      const port = memberText('dstPort', members);
      return one((batch, index) => {
        const number = port(batch, index);
        return number === NO_VALUE ? proto(batch, index) : `${proto(batch, index)}/${number}`;
      });
    }
  }
  const texts = key.split(',', MOST_MEMBERS).map((name) => memberText(name.trim(), members));
  return one((batch, index) => texts.map((text) => text(batch, index)).join(','));
}

function one(text: Text): GroupKeys {
  return (batch, index) => [text(batch, index)];
}

/** A flow inside of one group is in it once. */
function both(text: (batch: RecordBatch, index: number, responder: boolean) => string): GroupKeys {
  return (batch, index) => {
    const source = text(batch, index, false);
    const destination = text(batch, index, true);
    return source === destination ? [source] : [source, destination];
  };
}

/** @throws RheoError usage */
function prefixes(bits4: number, bits6: number): GroupKeys {
  if (bits4 > 32 || bits6 > 128) {
    throw new RheoError(ErrorCode.usage, `top: prefix/${bits4},/${bits6} has no valid lengths`, {
      remedy: 'Give the length for IPv4 (0 to 32) and then for IPv6 (0 to 128): prefix/24,/64.',
    });
  }
  return both((batch, index, responder) => {
    const version = (batch.words[index * batch.layout.stride + Row.meta] >>> 8) & 0xff;
    return `${cutAddress(batch, index, responder, bits4, bits6)}/${version === 6 ? bits6 : bits4}`;
  });
}

const cut = new Int32Array(4);

function cutAddress(batch: RecordBatch, index: number, responder: boolean, bits4: number, bits6: number): string {
  const at = index * batch.layout.stride;
  const from = endpoint(batch, at, responder);
  const version = (batch.words[at + Row.meta] >>> 8) & 0xff;
  for (let k = 0; k < 4; k++) {
    const bits = (version === 6 ? bits6 : bits4) - k * 32;
    const word = batch.words[from + k];
    cut[k] = bits >= 32 ? word : bits <= 0 ? 0 : word & ~(0xffffffff >>> bits);
  }
  return addressText(cut, 0, version);
}

/** @throws RheoError usage */
function memberText(name: string, members: readonly RecordField[]): Text {
  const field = members.find((member) => member.name === name);
  if (field === undefined) throw unknownMember('top', name, [...NAMED, ...members.map((member) => member.name)]);
  return (batch, index) => {
    const value = field.read(batch, index);
    if (value === undefined) return NO_VALUE;
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  };
}
