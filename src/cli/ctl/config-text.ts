import { safeLines } from '../../tui/text.js';

/** A configuration as YAML. */
export async function configText(config: unknown): Promise<string> {
  const { stringify } = await import('yaml');
  return safeLines(stringify(config));
}
