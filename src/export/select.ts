import { ErrorCode, RheoError } from '../core/errors.js';
import type { RecordField } from '../model/hook.js';

/**
 * The members that `--fields` names, in its order; all of them where it is not given.
 * @throws RheoError `RHEO_USAGE` for a name that no member has
 */
export function selectMembers(
  members: readonly RecordField[],
  names: readonly string[] | undefined,
): readonly RecordField[] {
  if (names === undefined) return members;
  const known = new Map(members.map((field) => [field.name, field]));
  const selected = new Set<RecordField>();
  for (const name of names) {
    const field = known.get(name);
    if (field === undefined) {
      throw new RheoError(ErrorCode.usage, `no field is called '${name}'`, {
        remedy: `Known here: ${[...known.keys()].join(', ')}. Features add more: see --features.`,
      });
    }
    selected.add(field);
  }
  return [...selected];
}
