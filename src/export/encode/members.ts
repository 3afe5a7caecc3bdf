import { ErrorCode, RheoError } from '../../core/errors.js';
import { DEFAULT_ENTERPRISE } from '../../model/elements-own.js';
import { DERIVED, FIELD_PROFILES } from '../../model/elements-profiles.js';
import { keyFields } from '../../model/key-fields.js';
import { type CoreFormat, coreMembers } from './core-members.js';
import { featureMembers } from './feature-members.js';
import type { EncodeContext, EncodeOptions, TimeUnit } from './options.js';
import type { Member } from './variant.js';

const BIFLOW_DIRECTION = 'biflowDirection';

/** Members that only TCP has. */
const OF_TCP: ReadonlySet<string> = new Set([
  'tcpFlags',
  'window',
  'windowMin',
  'windowMax',
  'windowScale',
  'mss',
  'tcpOptions',
  'serverRoundTrip',
  'clientRoundTrip',
  'syns',
  'fins',
  'rsts',
  'retransmissions',
  'outOfOrder',
  'zeroWindows',
]);
/** Members that only IPv6 has. */
const OF_IPV6: ReadonlySet<string> = new Set(['flowLabel']);

/** Leaves a member out of the templates of records that cannot have it. */
function fitting(member: Member): Member {
  const ofTcp = OF_TCP.has(member.name);
  if (!ofTcp && !OF_IPV6.has(member.name)) return member;
  return {
    ...member,
    fields: (variant, side) => ((ofTcp ? variant.tcp : variant.ipv6) ? member.fields(variant, side) : []),
  };
}

export interface MemberFormat {
  /** Absent: times since boot. */
  readonly time: TimeUnit | undefined;
  readonly boot: () => number;
  readonly interfaceNumber: (index: number) => number;
  /** TCP flags may take more than eight bits (v9: not). */
  readonly wideFlags: boolean;
}

/** All members that records of this layout can give. */
export function allMembers(
  options: EncodeOptions,
  context: EncodeContext,
  format: MemberFormat,
  keyParts: readonly string[],
): readonly Member[] {
  const enterprise = options.enterprise ?? DEFAULT_ENTERPRISE;
  const core: CoreFormat = { ...format, enterprise, communityIdSeed: context.communityIdSeed };
  const keys = keyFields(keyParts);
  const names = new Set(keys.map((field) => field.name));
  const extra = featureMembers(
    [...keys, ...context.fields.filter((field) => !names.has(field.name))],
    names,
    enterprise,
    format.interfaceNumber,
  );
  // The feature tells more of the interface than the core: one for each direction.
  const better = new Set(extra.map((member) => member.name));
  return [...coreMembers(core).filter((member) => !better.has(member.name)), ...extra].map(fitting);
}

/**
 * The members to be sent, in order: those that `fields` names (as members, as information elements, or as one profile).
 * @param possible members that records of another layout might have: their names are no mistake, only left out
 * @throws RheoError `RHEO_USAGE` for a name that there is not
 */
export function selectedMembers(
  all: readonly Member[],
  fields: readonly string[] | undefined,
  possible: readonly Member[] = all,
): readonly Member[] {
  const names = fields ?? ['full'];
  const profile = names.length === 1 ? FIELD_PROFILES[names[0]] : undefined;
  if (profile === true) return all.filter((member) => !DERIVED.includes(member.name));
  const selected = new Set<Member>();
  for (const name of profile ?? names) {
    const named = (one: Member): boolean => one.name === name || one.elements.includes(name);
    const member = all.find(named);
    if (member !== undefined) selected.add(member);
    else if (profile === undefined && !possible.some(named)) {
      const known = possible.map((one) => one.name);
      const profiles = Object.keys(FIELD_PROFILES).join(', ');
      throw new RheoError(ErrorCode.usage, `no field is called '${name}'`, {
        remedy: `Known here: ${known.join(', ')}; or one profile: ${profiles}. Features add more: see --features.`,
      });
    }
  }
  // Says which way round a biflow is, whatever else is in it.
  for (const member of all) if (member.name === BIFLOW_DIRECTION) selected.add(member);
  return [...selected];
}
