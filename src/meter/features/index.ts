import { ErrorCode, RheoError } from '../../core/errors.js';
import type { FlowHook, RecordField } from '../../model/hook.js';
import { type FeatureContext, FeatureHook, FeatureLayout, type FeaturePass, type GroupFactory } from './group.js';
import { createHeader } from './header.js';
import { tunnelField, vlanField } from './layers.js';
import { createMac } from './mac.js';
import { createPayload } from './payload.js';
import { createTcp } from './tcp.js';
import { createTiming } from './timing.js';

/** Something about a flow that can be measured if it is asked for. */
export interface FeatureDefinition {
  readonly name: string;
  readonly description: string;
  /**
   * Makes the pass over the batches and the fields of all selected features that are kept together with this one.
   * Without: needs no look at packets that create no flow.
   */
  readonly group?: GroupFactory;
}

function feature(name: string, description: string, group?: GroupFactory): [string, FeatureDefinition] {
  return [name, { name, description, ...(group && { group }) }];
}

/** All features by name. The order is that of the hooks and of the fields. */
export const FEATURES: ReadonlyMap<string, FeatureDefinition> = new Map([
  feature('vlan', 'VLAN tags'),
  feature('tunnel', 'the tunnel that the flow came through'),
  feature('mac', 'MAC addresses'),
  feature('tos', 'ToS or Traffic Class', createHeader),
  feature('ttl', 'lowest and highest TTL or hop limit', createHeader),
  feature('flowLabel', 'IPv6 flow label', createHeader),
  feature('length', 'lengths of the packets: least, greatest, mean, deviation', createHeader),
  feature('fragments', 'number of fragments', createHeader),
  feature('layer2', 'bytes of the frames on the wire', createHeader),
  feature('payload', 'packets with payload, and its bytes', createHeader),
  feature('interface', 'where the flow was seen', createHeader),
  feature('mpls', 'top MPLS label', createHeader),
  feature('window', 'TCP window: first, lowest, highest', createTcp),
  feature('windowScale', 'TCP window scale', createTcp),
  feature('mss', 'TCP maximum segment size', createTcp),
  feature('tcpOptions', 'TCP options seen', createTcp),
  feature('roundTrip', 'times of the TCP handshake', createTcp),
  feature('controlCounts', 'number of SYN, FIN, RST', createTcp),
  feature('retransmissions', 'TCP segments sent again', createTcp),
  feature('outOfOrder', 'TCP segments out of order', createTcp),
  feature('zeroWindows', 'TCP windows of zero', createTcp),
  feature('interArrival', 'times between packets: least, greatest, mean, deviation', createTiming),
  feature('slots', 'bytes over time, in slots', createTiming),
  feature('splt', 'lengths and times of the first packets with payload', createTiming),
  feature('entropy', 'entropy of the first payload', createPayload),
  feature('firstBytes', 'first bytes of the payload', createPayload),
]);

export const featureNames: readonly string[] = [...FEATURES.keys()];

/** What is on if nobody says otherwise: rows have room for it. */
export const DEFAULT_FEATURES: readonly string[] = ['vlan', 'tunnel'];

/**
 * Makes the hooks that keep the features, for one meter, and the fields that read them from its records. Fields and
 * hooks of two calls with the same selection fit together, so that each may live in a thread of its own.
 * @param selection names, or all, or none; names given twice count once
 * @param context `interfaces` of the source, for their names; only read by the fields
 * @throws RheoError (usage) for a name that is not known
 */
export function createFeatures(
  selection: readonly string[] | 'all' | 'none',
  context: FeatureContext = { interfaces: [] },
): { hooks: FlowHook[]; fields: RecordField[] } {
  const selected = new Set(selection === 'all' ? featureNames : selection === 'none' ? [] : selection);
  for (const name of selected) {
    if (FEATURES.has(name)) continue;
    throw new RheoError(ErrorCode.usage, `there is no feature "${name}"`, {
      remedy: `known are: ${featureNames.join(', ')}; or all, or none`,
    });
  }
  const hooks: FlowHook[] = [];
  const fields: RecordField[] = [];
  if (selected.has('vlan')) fields.push(vlanField);
  if (selected.has('tunnel')) fields.push(tunnelField);
  if (selected.has('mac')) {
    const mac = createMac();
    hooks.push(mac.hook);
    fields.push(...mac.fields);
  }
  const groups = new Set<GroupFactory>();
  for (const { name, group } of FEATURES.values()) if (group !== undefined && selected.has(name)) groups.add(group);
  if (groups.size === 0) return { hooks, fields };
  const layout = new FeatureLayout();
  const passes: FeaturePass[] = [];
  for (const create of groups) {
    const group = create(selected, layout, context);
    passes.push(group.pass);
    fields.push(...group.fields);
  }
  hooks.push(new FeatureHook(layout, passes));
  return { hooks, fields };
}
