import { findConfigFile, loadConfig } from '../../control/config/load.js';
import { runDaemon } from '../../control/run-daemon.js';
import type { ParsedArguments } from '../parse.js';
import { runOverrides, unknownVariables } from '../run-options.js';

/** `rheo run`. Returns the exit code when the daemon has ended. */
export async function runRun(parsed: ParsedArguments, version: string): Promise<number> {
  const overrides = runOverrides(parsed);
  const file = (parsed.values.get('config') as string | undefined) ?? findConfigFile();
  return runDaemon({
    load: () => loadConfig(file, overrides),
    version,
    warnings: unknownVariables(process.env),
    environment: process.env,
  });
}
