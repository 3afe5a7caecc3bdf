import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { ErrorCode, RheoError } from '../core/errors.js';
import type { Client, ConnectOptions, Subscription } from './client.js';
import { errorFrom } from './messages.js';
import type { DumpParams, MethodName, Result, SubscriptionName } from './method-types.js';
import type { ServiceEvent } from './service.js';
import { SocketReader } from './socket-reader.js';

/** Longest answer, and line of an event, that a daemon may send. */
const MAX_ANSWER = 64 << 20;
const CALL_MS = 30_000;
const POLL_MS = 100;

/** Codes of OpenSSL for a certificate that is not trusted or is another's. */
const UNTRUSTED = /CERT|SELF_SIGNED|ALTNAME|ISSUER|VERIFY/;

function nobody(address: string, error: NodeJS.ErrnoException): RheoError {
  const code = error.code ?? '';
  if (UNTRUSTED.test(code)) {
    return new RheoError(ErrorCode.access, `the certificate of ${address} is not trusted: ${error.message}`, {
      remedy: 'Name the certificates to trust with --ca, and ask by a name that stands in the certificate.',
      cause: error,
    });
  }
  if (/^(EPROTO|ERR_SSL|ECONNRESET)/.test(code)) {
    return new RheoError(ErrorCode.control, `${address} ended the connection: ${error.message}`, {
      remedy: 'Check http or https, and whether the daemon asks for a certificate (--cert, --cert-key).',
      cause: error,
    });
  }
  return new RheoError(ErrorCode.control, `no daemon answers at ${address}: ${code === '' ? error.message : code}`, {
    remedy: 'Check the URL, and that the daemon was started with HTTP.',
    cause: error,
  });
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > MAX_ANSWER) throw new RheoError(ErrorCode.control, `the answer has more than ${MAX_ANSWER} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

class HttpSubscription implements Subscription {
  dropped = 0;
  readonly #address: string;
  readonly #response: IncomingMessage;
  #left = false;

  constructor(address: string, response: IncomingMessage) {
    this.#address = address;
    this.#response = response;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ServiceEvent> {
    const reader = new SocketReader(this.#response, MAX_ANSWER);
    let name = '';
    try {
      for (;;) {
        const line = await reader.line();
        if (line === undefined) {
          if (this.#left) return;
          throw new RheoError(ErrorCode.control, `${this.#address} ended the events`);
        }
        const text = Buffer.from(line).toString();
        if (text.startsWith('event: ')) name = text.slice(7);
        if (!text.startsWith('data: ')) continue;
        const data = JSON.parse(text.slice(6)) as ServiceEvent & { dropped?: number };
        if (name === 'dropped') this.dropped += data.dropped ?? 0;
        else yield data;
      }
    } finally {
      this.close();
    }
  }

  close(): void {
    this.#left = true;
    this.#response.destroy();
  }
}

class HttpClient implements Client {
  readonly address: string;
  readonly #url: URL;
  readonly #options: ConnectOptions;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #timeoutMs: number;
  #nextId = 1;
  #closed: Promise<void> | undefined;

  constructor(url: URL, options: ConnectOptions) {
    this.#url = url;
    this.address = url.origin;
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? CALL_MS;
    const { ca, cert, key } = options;
    this.#agent =
      url.protocol === 'https:'
        ? new HttpsAgent({
            keepAlive: true,
            ...(ca === undefined ? {} : { ca }),
            ...(cert === undefined ? {} : { cert }),
            ...(key === undefined ? {} : { key }),
          })
        : new HttpAgent({ keepAlive: true });
  }

  /** There is no connection whose end would tell it: asks until nobody answers. */
  get closed(): Promise<void> {
    this.#closed ??= this.#untilGone();
    return this.#closed;
  }

  async #untilGone(): Promise<void> {
    for (;;) {
      try {
        await bodyOf(await this.#ask('GET', '/healthz', undefined, this.#timeoutMs));
      } catch {
        return;
      }
      await sleep(POLL_MS);
    }
  }

  async call<M extends MethodName>(method: M, params: unknown = {}): Promise<Result<M>> {
    const body = JSON.stringify({ jsonrpc: '2.0', id: this.#nextId++, method, params });
    const response = await this.#ask('POST', '/rpc', body, this.#timeoutMs);
    const answer = this.#parse(await bodyOf(response));
    if (answer.error !== undefined) throw errorFrom(answer.error);
    return answer.result as Result<M>;
  }

  async subscribe(what: SubscriptionName): Promise<Subscription> {
    const response = await this.#ask('GET', `/events?what=${what}`, undefined, 0);
    return new HttpSubscription(this.address, response);
  }

  async *dump({ filter, format }: DumpParams = {}): AsyncIterable<Uint8Array> {
    const query = new URLSearchParams({ ...(filter === undefined ? {} : { filter }), format: format ?? 'ndjson' });
    const response = await this.#ask('GET', `/dump?${query}`, undefined, 0);
    try {
      for await (const piece of response as AsyncIterable<Uint8Array>) yield piece;
    } catch (cause) {
      throw new RheoError(ErrorCode.control, 'the daemon went away in the middle of a dump', {
        remedy: 'What was written is a part only: ask again.',
        cause,
      });
    } finally {
      response.destroy();
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #parse(text: string): { result?: unknown; error?: unknown } {
    try {
      const answer: unknown = JSON.parse(text);
      if (typeof answer === 'object' && answer !== null) return answer;
    } catch {
      // Said below.
    }
    throw new RheoError(ErrorCode.control, `${this.address} is no rheo daemon: its answer is not JSON-RPC`, {
      remedy: 'Check the URL.',
    });
  }

  /** @param timeoutMs 0: the answer goes on for as long as it likes */
  async #ask(method: string, path: string, body: string | undefined, timeoutMs: number): Promise<IncomingMessage> {
    const { token } = this.#options;
    const options: RequestOptions = {
      method,
      agent: this.#agent,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
    };
    const response = await this.#send(new URL(path, this.#url), options, body, timeoutMs);
    if (response.statusCode === 200) return response;
    const { error } = this.#parse(await bodyOf(response));
    throw errorFrom(error ?? { message: `${this.address} answers with status ${response.statusCode}` });
  }

  #send(url: URL, options: RequestOptions, body: string | undefined, timeoutMs: number): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      let request: ClientRequest;
      try {
        request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options, resolve);
      } catch (cause) {
        // A token with characters that no header may have, for example.
        reject(new RheoError(ErrorCode.usage, (cause as Error).message, { remedy: 'Check the token.', cause }));
        return;
      }
      if (timeoutMs > 0) {
        request.setTimeout(timeoutMs, () => {
          request.destroy(
            new RheoError(ErrorCode.control, `${this.address} did not answer within ${timeoutMs / 1000} s`, {
              remedy: 'The daemon may be stopped or overloaded: look at the process and at its log.',
            }),
          );
        });
      }
      request.on('error', (error) => reject(error instanceof RheoError ? error : nobody(this.address, error)));
      request.end(body);
    });
  }
}

/** @throws RheoError `RHEO_USAGE` for what is no URL, `RHEO_CONTROL`, `RHEO_ACCESS` */
export async function connectHttp(text: string, options: ConnectOptions): Promise<Client> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new RheoError(ErrorCode.usage, `'${text}' is no URL of a daemon`, {
      remedy: 'Write http://127.0.0.1:PORT or https://HOST:PORT.',
    });
  }
  const client = new HttpClient(url, options);
  // There is no connection to be made: asking for something tells whether somebody answers.
  await client.call('version');
  return client;
}
