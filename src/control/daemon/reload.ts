import { changedKeys } from '../config/difference.js';
import type { Config } from '../config/schema.js';

/** What a running daemon makes of another configuration. */
export interface ReloadPlan {
  /** Keys that differ: those that are taken on, and those that are not. */
  readonly changed: string[];
  readonly needsRestart: string[];
  /** The configuration that is then in force; its targets in their order: those that are kept, then those that are added. */
  readonly config: Config;
  /** Targets to be opened; places, among those that there are, of targets to be closed. */
  readonly added: string[];
  readonly removed: number[];
}

/** @param before in force @param wanted the one that was read */
export function planReload(before: Config, wanted: Config): ReloadPlan {
  const changed: string[] = [];
  const needsRestart: string[] = [];
  for (const key of changedKeys(before, wanted)) (changesNow(key) ? changed : needsRestart).push(key);
  const kept = before.export.filter((url) => wanted.export.includes(url));
  const added = wanted.export.filter((url) => !before.export.includes(url));
  const removed = [...before.export.keys()].filter((place) => !wanted.export.includes(before.export[place]));
  const { timeouts, activeTimeout, statisticsInterval } = wanted;
  const log = { ...before.log, level: wanted.log.level };
  const config = { ...before, timeouts, activeTimeout, statisticsInterval, log, export: [...kept, ...added] };
  return { changed, needsRestart, config, added, removed };
}

/** Keys that a running daemon takes on. */
function changesNow(key: string): boolean {
  return (
    /^timeouts\b/.test(key) ||
    /^export\b/.test(key) ||
    ['activeTimeout', 'statisticsInterval', 'log.level'].includes(key)
  );
}
