import { readFileSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';

/** Lines of a hosts file that are looked at. */
const MOST_LINES = 10_000;

/** Names that this machine knows without asking anybody: its own, and those of its hosts file. Address text → name. */
export function localNames(file = '/etc/hosts'): Map<string, string> {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    // Without the file there are its names less.
  }
  const names = new Map<string, string>();
  const own = hostname();
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address, internal } of addresses ?? []) if (!internal) names.set(address, own);
  }
  for (const [address, name] of hostsNames(text)) if (!names.has(address)) names.set(address, name);
  return names;
}

/** The first name of each address in the text of a hosts file. */
export function hostsNames(text: string): Map<string, string> {
  const names = new Map<string, string>();
  for (const line of text.split('\n', MOST_LINES)) {
    const [address, name] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (name !== undefined && !names.has(address)) names.set(address.toLowerCase(), name);
  }
  return names;
}
