import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until the UDP socket at a port of this namespace was read empty, and a moment more for what was read last. */
export async function udpQueueEmpty(port: number): Promise<void> {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const waiting = (): boolean =>
    ['/proc/net/udp', '/proc/net/udp6'].some((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .some((words) => words[1]?.endsWith(local) && !words[4].endsWith(':00000000')),
    );
  while (waiting()) await sleep(20);
  await sleep(300);
}
