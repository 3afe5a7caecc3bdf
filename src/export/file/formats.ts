import { recordMembers } from '../../model/read-record.js';
import type { ExportContext } from '../../model/target.js';
import { CsvWriter } from '../csv.js';
import { createFlowEncoder } from '../encode/index.js';
import { encodeOptions } from '../encode-options.js';
import { JsonWriter } from '../json.js';
import { profileWriter } from '../profile/index.js';
import { selectMembers } from '../select.js';
import type { FileFormatName, TargetUrl } from '../target-url.js';
import type { Emit, FileFormat } from './format.js';
import { IpfixFormat } from './ipfix-format.js';
import { NfdumpFormat, wholeNfdump } from './nfdump-format.js';
import type { FindWhole } from './recover.js';
import { TextFormat } from './text-format.js';

/** Messages of files: as long as they may be (RFC 7011 §3.1). */
const FILE_MESSAGE_BYTES = 65_535;

/** What finds the whole part of a cut file, where lines or lengths do not tell it. */
export async function wholeFinder(format: FileFormatName): Promise<FindWhole | undefined> {
  if (format === 'parquet') return (await import('./parquet-format.js')).wholeParquet;
  return format === 'nfdump' ? wholeNfdump : undefined;
}

/**
 * The format that a file's ending names.
 * @throws RheoError `RHEO_USAGE` for fields and profiles that there are not
 */
export async function fileFormat(target: TargetUrl, context: ExportContext, emit: Emit): Promise<FileFormat> {
  const { options } = target;
  const { format } = target.file!;
  if (format === 'nfdump') return new NfdumpFormat(emit, context.now);
  if (format === 'ipfix') {
    return new IpfixFormat(
      createFlowEncoder('ipfix', encodeOptions(target, FILE_MESSAGE_BYTES), context),
      emit,
      context.now,
    );
  }
  const { communityIdSeed, sampling } = context;
  const record = { communityIdSeed, ...(sampling === undefined ? {} : { sampling }) };
  const members = recordMembers(context.keyParts ?? [], context.fields, record);
  const selected = selectMembers(members, options.fields);
  if (format === 'parquet') {
    // Loaded when it is needed: its library is large.
    const { ParquetFormat } = await import('./parquet-format.js');
    return new ParquetFormat(selected, communityIdSeed, emit);
  }
  if (format === 'csv') return new TextFormat((sink) => new CsvWriter(sink, selected, record), emit);
  // conn.log and its like: lines that are no JSON.
  const profile = options.profile ?? (format === 'log' ? 'zeek-tsv' : undefined);
  if (profile !== undefined) {
    const make = profileWriter(target.url, profile, members, context);
    return new TextFormat(make, emit);
  }
  return new TextFormat((sink) => new JsonWriter(sink, selected, record), emit);
}
