import { ErrorCode, RheoError } from '../../core/errors.js';
import { didYouMean } from '../../core/suggest.js';
import { TIMEOUT_CLASSES } from '../../model/options.js';
import type { Client } from '../../rpc/client.js';
import { LOG_LEVELS, type LogLevel, SUBSCRIPTIONS } from '../../rpc/method-types.js';
import { plural } from '../../tui/units.js';
import { verbUsage } from '../help.js';
import { CTL_VERBS, type VerbName } from '../spec/ctl.js';
import { DEFAULT_TOP, GROUP_KEYS } from '../spec/read.js';
import { parseTime } from '../values.js';
import { healthView, interfaceView, lossView, statisticsView } from './account-views.js';
import { type Action, type Request, view } from './action.js';
import { configText } from './config-text.js';
import { enrichmentView } from './enrichment-view.js';
import { flowPageView, timeoutView, topView } from './flow-views.js';
import { dumpFlows, subscribe } from './streams.js';
import { pairs } from './text.js';

function usage(verb: VerbName, message: string, remedy?: string): RheoError {
  const spec = CTL_VERBS.find(({ name }) => name === verb);
  return new RheoError(ErrorCode.usage, `ctl ${verb}: ${message}`, {
    remedy: remedy ?? `Use: rheo ctl ${spec === undefined ? verb : verbUsage(spec)}`,
  });
}

/** The operands as one filter; undefined if there is none. */
function filterOf(operands: readonly string[]): string | undefined {
  return operands.length === 0 ? undefined : operands.join(' ');
}

function oneOf<T extends string>(verb: VerbName, word: string | undefined, known: readonly T[], what: string): T {
  const found = known.find((candidate) => candidate === word);
  if (found !== undefined) return found;
  if (word === undefined) throw usage(verb, `${what} is missing: ${known.join(', ')}`);
  throw usage(verb, `'${word}' is not one of ${known.join(', ')}`, didYouMean(word, known, '', 'Choose one of them.'));
}

/** A verb without operands that answers in one sentence. */
function command(ask: (client: Client) => Promise<unknown>, sentence: string): () => Action {
  return () => view(ask, () => `${sentence}\n`, false);
}

function ended(sentence: (flows: string) => string) {
  return ({ flows }: { flows: number }): string => `${sentence(plural(flows, 'flow'))}\n`;
}

function someFlows(verb: 'expire' | 'delete', sentence: (flows: string) => string) {
  return ({ operands }: Request): Action => {
    const filter = filterOf(operands);
    if (filter === undefined) {
      throw usage(verb, 'which flows?', `Use: rheo ctl ${verb} FILTER; for all of them: rheo ctl ${verb}-all`);
    }
    return view((client) => client.call(verb, { filter }), ended(sentence), false);
  };
}

function timeouts({ operands }: Request): Action {
  if (operands.length === 0) return view((client) => client.call('timeouts'), timeoutView);
  const [word, ...settings] = operands;
  if (word !== 'set' || settings.length === 0) throw usage('timeouts', `'${operands.join(' ')}' is not understood`);
  const change: { idle?: Record<string, number>; active?: number | null } = {};
  for (const setting of settings) {
    const cut = setting.indexOf('=');
    if (cut <= 0) throw usage('timeouts', `'${setting}' is not CLASS=TIME`, 'For example: tcp.fin=5s');
    const name = oneOf('timeouts', setting.slice(0, cut), ['active', 'idle', ...TIMEOUT_CLASSES], 'the class');
    const text = setting.slice(cut + 1);
    if (name === 'active') {
      change.active = text === 'never' ? null : parseTime(text, setting);
      continue;
    }
    const ms = parseTime(text, setting);
    change.idle ??= {};
    for (const one of name === 'idle' ? TIMEOUT_CLASSES : [name]) change.idle[one] = ms;
  }
  return view((client) => client.call('setTimeouts', change), timeoutView, false);
}

/** Asks for the level and sets the next one, that logs more (1) or less (−1). */
function step(by: 1 | -1): () => Action {
  return () =>
    view(
      async (client) => {
        const { level } = await client.call('logLevel');
        const at = LOG_LEVELS.indexOf(level as LogLevel) + by;
        return client.call('logLevel', { level: LOG_LEVELS[Math.min(Math.max(at, 0), LOG_LEVELS.length - 1)] });
      },
      ({ level }) => `log level: ${level}\n`,
      false,
    );
}

function stop(method: 'shutdown' | 'exit', sentence: string): () => Action {
  return () =>
    view(
      async (client) => {
        await client.call(method);
        // The daemon closes the connection when it is done.
        await client.closed;
        return null;
      },
      () => `${sentence}\n`,
      false,
    );
}

const ACTIONS: { readonly [V in VerbName]: (request: Request) => Action } = {
  statistics: () => view((client) => client.call('statistics'), statisticsView),
  flows({ operands, values }) {
    const query = {
      filter: filterOf(operands),
      sort: values.get('sort') as string | undefined,
      order: values.has('reverse') ? ('asc' as const) : ('desc' as const),
      offset: (values.get('offset') as number | undefined) ?? 0,
      limit: (values.get('limit') as number | undefined) ?? DEFAULT_TOP,
    };
    return view((client) => client.call('flows', query), flowPageView);
  },
  top({ operands: [key, ...rest], values }) {
    if (key === undefined) throw usage('top', `by what? ${GROUP_KEYS.join(', ')}`);
    const filter = filterOf(rest);
    const limit = (values.get('limit') as number | undefined) ?? DEFAULT_TOP;
    return view(
      (client) => client.call('top', { key, filter, limit }),
      (entries, style) => topView(key, entries, style),
    );
  },
  'dump-flows': ({ operands, values }) => dumpFlows(filterOf(operands), values.has('binary')),
  expire: someFlows('expire', (flows) => `${flows} ended`),
  'expire-all': () =>
    view(
      (client) => client.call('expire'),
      ended((flows) => `${flows} ended`),
      false,
    ),
  delete: someFlows('delete', (flows) => `${flows} deleted`),
  'delete-all': () =>
    view(
      (client) => client.call('delete'),
      ended((flows) => `${flows} deleted`),
      false,
    ),
  timeouts,
  loss: () => view((client) => client.call('loss'), lossView),
  interfaces: () => view((client) => client.call('interfaces'), interfaceView),
  enrichment: () => view((client) => client.call('enrichment'), enrichmentView),
  health: () => view((client) => client.call('health'), healthView),
  metrics: () =>
    view(
      (client) => client.call('metrics'),
      (text) => text,
    ),
  subscribe: ({ operands: [what, ...rest] }) => {
    if (rest.length > 0) throw usage('subscribe', `'${rest[0]}' is too much`);
    return subscribe(oneOf('subscribe', what, SUBSCRIPTIONS, 'what to be told of'));
  },
  'start-gather': command((client) => client.call('startGather'), 'gathering'),
  'stop-gather': command((client) => client.call('stopGather'), 'gathering stopped'),
  'send-template': command((client) => client.call('sendTemplates'), 'templates are sent'),
  'log-level'({ operands: [level] }) {
    const wanted = level === undefined ? undefined : oneOf('log-level', level, LOG_LEVELS, 'the level');
    return view(
      (client) => client.call('logLevel', wanted === undefined ? {} : { level: wanted }),
      ({ level: now }) => `log level: ${now}\n`,
      false,
    );
  },
  'debug+': step(1),
  'debug-': step(-1),
  config: () => view((client) => client.call('config'), configText),
  reload: () =>
    view(
      (client) => client.call('reload'),
      ({ changed, needsRestart }) =>
        pairs([
          ['changed', changed.length === 0 ? 'nothing' : changed.join(', ')],
          ...(needsRestart.length === 0 ? [] : [['needs a restart', needsRestart.join(', ')] as const]),
        ]),
      false,
    ),
  version: () =>
    view(
      (client) => client.call('version'),
      ({ version, node, pid, started }) => `rheo ${version} (Node ${node}), process ${pid}, running since ${started}\n`,
      false,
    ),
  shutdown: stop('shutdown', 'the daemon has ended its flows and stopped'),
  exit: stop('exit', 'the daemon has stopped'),
};

/** Verbs that take operands. */
const WITH_OPERANDS: ReadonlySet<string> = new Set(
  CTL_VERBS.filter((verb) => 'operands' in verb).map(({ name }) => name),
);

/**
 * What the words after `rheo ctl` ask for.
 * @throws RheoError `RHEO_USAGE`
 */
export function actionOf(words: readonly string[], values: Request['values']): Action {
  const [name, ...operands] = words;
  const names = CTL_VERBS.map((verb) => verb.name);
  if (name === undefined) {
    throw new RheoError(ErrorCode.usage, `ctl: what shall be done? ${names.join(', ')}`, {
      remedy: 'See: rheo ctl --help',
    });
  }
  const verb = names.find((known) => known === name);
  if (verb === undefined) {
    throw new RheoError(ErrorCode.usage, `ctl: there is no verb '${name}'`, {
      remedy: didYouMean(name, names, 'rheo ctl ', 'See: rheo ctl --help'),
    });
  }
  if (operands.length > 0 && !WITH_OPERANDS.has(verb)) throw usage(verb, `'${operands[0]}' is too much`);
  const action = ACTIONS[verb]({ operands, values });
  if (!action.watchable && (values.has('watch') || values.has('every'))) {
    throw usage(verb, 'cannot be watched', 'Leave out --watch and --every.');
  }
  return action;
}
