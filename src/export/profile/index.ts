import { ErrorCode, RheoError } from '../../core/errors.js';
import { didYouMean } from '../../core/suggest.js';
import type { RecordField } from '../../model/hook.js';
import type { RecordBatch } from '../../model/record-batch.js';
import type { RecordSink } from '../../model/sink.js';
import type { ExportContext } from '../../model/target.js';
import type { ByteSink } from '../output.js';
import { jsonText } from '../value-text.js';
import { ecsFlow } from './ecs.js';
import { eveFlow } from './eve.js';
import { type ProfileFlow, profileFlow } from './flow.js';
import { goflow2Lines } from './goflow2.js';
import { zeekHeader, zeekJson, zeekLine } from './zeek.js';

type ProfileContext = Pick<ExportContext, 'now' | 'sampling'>;
interface Profile {
  readonly header?: () => string;
  /** The lines of one record, without their ends. */
  readonly lines: (flow: ProfileFlow, context: ProfileContext) => readonly string[];
}

/** Other programs' schemas, by the name that `?profile=` takes. docs/export.md has the tables. */
const PROFILES: Readonly<Record<string, Profile>> = {
  eve: { lines: (flow) => [jsonText(eveFlow(flow))] },
  zeek: { lines: (flow) => [jsonText(zeekJson(flow))] },
  'zeek-tsv': { header: zeekHeader, lines: (flow) => [zeekLine(flow)] },
  ecs: { lines: (flow) => [jsonText(ecsFlow(flow))] },
  goflow2: {
    lines: (flow, { now, sampling }) =>
      goflow2Lines(flow, now(), sampling === undefined || sampling.scale ? 1 : sampling.n).map(jsonText),
  },
};

const FLUSH_AT = 64 * 1024;

/** The profile of that name. @throws RheoError `RHEO_USAGE` */
function find(url: string, name: string): Profile {
  if (Object.hasOwn(PROFILES, name)) return PROFILES[name];
  const known = Object.keys(PROFILES);
  throw new RheoError(ErrorCode.usage, `target ${url}: there is no profile '${name}'`, {
    remedy: didYouMean(name, known, '', `Known here: ${known.join(', ')}.`),
  });
}

/**
 * What makes the writer of a file in a profile.
 * @param members all members of the records
 * @throws RheoError `RHEO_USAGE` for a profile that there is not
 */
export function profileWriter(
  url: string,
  name: string,
  members: readonly RecordField[],
  context: ProfileContext,
): (sink: ByteSink) => RecordSink {
  const profile = find(url, name);
  return (sink) => {
    const write = (text: string): void => {
      const bytes = Buffer.from(text);
      if (bytes.length > 0) sink.write(bytes, bytes.length);
    };
    write(profile.header?.() ?? '');
    return {
      write(batch: RecordBatch) {
        let text = '';
        for (let index = 0; index < batch.count; index++) {
          for (const line of profile.lines(profileFlow(batch, index, members), context)) text += `${line}\n`;
          if (text.length < FLUSH_AT) continue;
          write(text);
          text = '';
        }
        write(text);
      },
      async close() {},
    };
  };
}

/** What makes the lines of single records in a profile, for messages. @throws RheoError `RHEO_USAGE` */
export function profileLines(
  url: string,
  name: string,
  members: readonly RecordField[],
  context: ProfileContext,
): (batch: RecordBatch, index: number) => readonly string[] {
  const profile = find(url, name);
  return (batch, index) => profile.lines(profileFlow(batch, index, members), context);
}
