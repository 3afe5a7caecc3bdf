import { isatty } from 'node:tty';
import { ErrorCode, RheoError } from '../../core/errors.js';
import type { Client } from '../../rpc/client.js';
import { jsonOf } from '../../rpc/messages.js';
import type { SubscriptionName } from '../../rpc/method-types.js';
import type { ServiceEvent } from '../../rpc/service.js';
import { safeText } from '../../tui/text.js';
import { statisticsView } from './account-views.js';
import type { Action, ViewStyle } from './action.js';
import { flowLine } from './flow-views.js';

/** `dump-flows`: the bytes as they come. */
export function dumpFlows(filter: string | undefined, binary: boolean): Action {
  if (binary && isatty(1)) {
    throw new RheoError(ErrorCode.usage, 'ctl dump-flows: binary data does not belong on a terminal', {
      remedy: 'Send it to a file: rheo ctl dump-flows --binary > FILE',
    });
  }
  return {
    watchable: false,
    interruptible: true,
    async stream(client: Client, output): Promise<void> {
      for await (const piece of client.dump({ filter, format: binary ? 'binary' : 'ndjson' })) {
        output.write(piece, piece.length);
        await output.drain();
        if (output.closed) return;
      }
    },
  };
}

function eventText(event: ServiceEvent, style: ViewStyle): string {
  switch (event.type) {
    case 'records':
      return event.flows.map((flow) => flowLine(flow, style)).join('');
    case 'statistics':
      return `${statisticsView(event.statistics, style)}\n`;
    case 'event':
      return `${safeText(`${event.time}  ${event.level}  ${event.message}`)}\n`;
  }
}

/** One JSON object a line; of records, each record is one. */
function eventJson(event: ServiceEvent): string {
  switch (event.type) {
    case 'records':
      return event.flows.map((flow) => `${jsonOf(flow)}\n`).join('');
    case 'statistics':
      return `${jsonOf(event.statistics)}\n`;
    case 'event':
      return `${jsonOf({ time: event.time, level: event.level, message: event.message })}\n`;
  }
}

/** `subscribe`: events as they come. */
export function subscribe(what: SubscriptionName): Action {
  return {
    watchable: false,
    async stream(client, output, json, style): Promise<void> {
      const subscription = await client.subscribe(what);
      let told = 0;
      for await (const event of subscription) {
        output.text(json ? eventJson(event) : eventText(event, style));
        await output.drain();
        if (output.closed) return;
        if (subscription.dropped > told) {
          process.stderr.write(`rheo: ${subscription.dropped - told} events were dropped: this reader was too slow\n`);
          told = subscription.dropped;
        }
      }
    },
  };
}
