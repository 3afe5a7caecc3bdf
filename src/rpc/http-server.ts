import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { ErrorCode, RheoError } from '../core/errors.js';
import { beginDump, type Caller, Dispatcher, issueText } from './dispatcher.js';
import { HostCheck, isSameOrigin, readSecret, readToken, type Token } from './http-access.js';
import { hostText, type ListenAddress, parseListen } from './http-address.js';
import { boundConnections } from './http-connections.js';
import { sendDump, sendEvents } from './http-streams.js';
import { RPC_LIMITS, type RpcLimits } from './limits.js';
import { errorObject, RpcCode, RpcError, type RpcErrorObject } from './messages.js';
import { SUBSCRIPTIONS, type SubscriptionName } from './method-types.js';
import { METHODS } from './methods.js';
import { openApiDocument } from './openapi.js';
import type { Listener, TransportContext } from './unix-server.js';

export interface HttpOptions {
  /** `127.0.0.1:8080`. Addresses that others reach need `tls` and `tokenFile`. */
  readonly listen: string;
  /** File whose first line is the bearer token. Without it, on loopback, nothing can be changed. */
  readonly tokenFile?: string | undefined;
  readonly tls?: TlsOptions | undefined;
  /** Names by which it is asked, besides addresses, localhost and the name of this machine. */
  readonly hosts?: readonly string[] | undefined;
}

/** Files, PEM. */
export interface TlsOptions {
  readonly certFile: string;
  readonly keyFile: string;
  /** Authorities whose clients may connect: everyone must show a certificate then. */
  readonly clientCaFile?: string | undefined;
}

const HEADER_BYTES = 16 << 10;
const HEADERS_MS = 10_000;
const KEEP_ALIVE_MS = 10_000;
/** How often Node looks for requests that take too long. */
const CHECK_MS = 5000;

const NO_TOKEN = 'Give the daemon a token file to allow changes over HTTP, or use the control socket.';

/** An error with a status of HTTP. */
class HttpError extends RpcError {
  readonly status: number;

  constructor(status: number, rpcCode: RpcCode, code: ErrorCode, message: string, remedy?: string) {
    super(rpcCode, code, message, remedy);
    this.status = status;
  }
}

/**
 * Refuses what would give the daemon to everyone.
 * @throws RheoError `RHEO_USAGE`
 */
function checkExposure(address: ListenAddress, { listen, tls, tokenFile }: HttpOptions): void {
  if (address.loopback || (tls !== undefined && tokenFile !== undefined)) return;
  const missing = tls === undefined ? (tokenFile === undefined ? 'TLS and a token' : 'TLS') : 'a token';
  throw new RheoError(ErrorCode.usage, `HTTP on ${listen} can be reached from other machines and needs ${missing}`, {
    remedy: 'Give certificate, key and token file, or listen on 127.0.0.1.',
  });
}

/** Options of node:https. @throws RheoError `RHEO_INPUT` */
function tlsOptions({ certFile, keyFile, clientCaFile }: TlsOptions): Record<string, unknown> {
  return {
    cert: readSecret(certFile, 'the certificate'),
    key: readSecret(keyFile, 'the key'),
    minVersion: 'TLSv1.2',
    ...(clientCaFile === undefined
      ? {}
      : { ca: readSecret(clientCaFile, 'the clients’ authority'), requestCert: true, rejectUnauthorized: true }),
  };
}

class HttpServer implements Listener {
  address = '';
  readonly #context: TransportContext;
  readonly #limits: Readonly<RpcLimits>;
  readonly #dispatcher: Dispatcher;
  readonly #token: Token | undefined;
  readonly #hosts: HostCheck;
  readonly #scheme: 'http' | 'https';
  readonly #listen: ListenAddress;
  readonly #app: FastifyInstance;

  constructor(context: TransportContext, options: HttpOptions) {
    const listen = parseListen(options.listen);
    checkExposure(listen, options);
    this.#listen = listen;
    this.#context = context;
    this.#limits = { ...RPC_LIMITS, ...context.limits };
    this.#dispatcher = new Dispatcher(context.service, this.#limits, context.counters, context.log);
    this.#token = options.tokenFile === undefined ? undefined : readToken(options.tokenFile);
    this.#hosts = new HostCheck(options.hosts ?? [], listen.loopback);
    this.#scheme = options.tls === undefined ? 'http' : 'https';
    this.#app = this.#makeApp(options.tls);
    this.#route();
  }

  #makeApp(tls: TlsOptions | undefined): FastifyInstance {
    const server = {
      maxHeaderSize: HEADER_BYTES,
      headersTimeout: HEADERS_MS,
      connectionsCheckingInterval: CHECK_MS,
    };
    const common = {
      logger: false,
      bodyLimit: this.#limits.requestBytes,
      connectionTimeout: this.#limits.stallMs,
      requestTimeout: this.#limits.requestMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      forceCloseConnections: true,
      exposeHeadRoutes: false,
    };
    // The types of fastify tell servers with and without TLS apart; nothing here depends on it.
    const app =
      tls === undefined
        ? fastify({ ...common, http: server })
        : (fastify({ ...common, https: { ...server, ...tlsOptions(tls) } }) as unknown as FastifyInstance);
    const { counters } = this.#context;
    boundConnections(app.server, this.#limits.connections, counters);
    app.server.on('tlsClientError', () => {
      counters.denied++;
    });
    app.removeAllContentTypeParsers();
    // Bytes: the dispatcher looks at them before anything is parsed.
    app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    app.setErrorHandler((error, request, reply) => this.#fail(error, request, reply));
    app.setNotFoundHandler((request) => {
      throw new HttpError(
        404,
        RpcCode.methodNotFound,
        ErrorCode.usage,
        `there is no ${request.method} ${shown(request.url)}`,
      );
    });
    app.addHook('onRequest', async (request, reply) => {
      reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
      this.#admit(request);
    });
    return app;
  }

  /** @throws HttpError for requests that are meant for somebody else, come from a page of another site, or lack the token */
  #admit(request: FastifyRequest): void {
    const { host, origin, authorization } = request.headers;
    const { counters } = this.#context;
    if (!this.#hosts.accepts(host)) {
      counters.denied++;
      throw new HttpError(
        421,
        RpcCode.access,
        ErrorCode.access,
        `this is not the host '${shown(host ?? '')}'`,
        'Ask by address, or name the host in the configuration of the daemon.',
      );
    }
    if (!isSameOrigin(origin, this.#scheme, host)) {
      counters.denied++;
      throw new HttpError(403, RpcCode.access, ErrorCode.access, 'pages of other sites may not ask');
    }
    if (this.#token === undefined || request.routeOptions.url === '/healthz') return;
    if (this.#token.accepts(authorization)) return;
    counters.denied++;
    throw new HttpError(
      401,
      RpcCode.access,
      ErrorCode.access,
      authorization === undefined ? 'a token is needed' : 'the token is wrong',
      'Send the header: Authorization: Bearer TOKEN, with the token of the daemon’s token file.',
    );
  }

  #route(): void {
    const app = this.#app;
    const { service } = this.#context;
    app.post('/rpc', (request, reply) => this.#rpc(request, reply));
    app.get('/events', (request, reply) => this.#events(request, reply));
    app.get('/dump', (request, reply) => this.#dump(request, reply));
    app.get('/metrics', async (_request, reply) => {
      reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8');
      return service.metrics();
    });
    // Without token: says no more than that.
    app.get('/healthz', async () => ({ status: (await service.health()).status }));
    app.get('/openapi.json', async () => openApiDocument(service.version().version));
  }

  async #rpc(request: FastifyRequest, reply: FastifyReply): Promise<string | undefined> {
    const caller: Caller = {
      name: request.ip,
      mayChange: this.#token !== undefined,
      mayNotBecause: NO_TOKEN,
    };
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const { text, after } = await this.#dispatcher.answer(body, caller);
    if (after !== undefined) reply.raw.once('close', after);
    if (text === undefined) {
      reply.code(204);
      return undefined;
    }
    reply.header('content-type', 'application/json; charset=utf-8');
    return text;
  }

  async #events(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { what } = request.query as { what?: unknown };
    const wanted = typeof what === 'string' ? what.split(',') : [];
    const names = SUBSCRIPTIONS.filter((name) => wanted.includes(name));
    if (names.length === 0 || names.length !== wanted.length) {
      throw invalid(`what: one or more of ${SUBSCRIPTIONS.join(', ')}, with commas between them`);
    }
    const { counters } = this.#context;
    if (counters.subscriptions + names.length > this.#limits.subscriptions) {
      throw new HttpError(
        503,
        RpcCode.limit,
        ErrorCode.limit,
        `no more than ${this.#limits.subscriptions} subscriptions in all`,
      );
    }
    reply.hijack();
    sendEvents(reply.raw, names as SubscriptionName[], this.#context, this.#limits);
  }

  async #dump(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const checked = METHODS.dump.params.safeParse(request.query);
    if (!checked.success) throw invalid(issueText(checked.error));
    const format = checked.data.format ?? 'ndjson';
    const pieces = await beginDump(this.#context.service, checked.data.filter, format);
    reply.hijack();
    await sendDump(reply.raw, pieces, format, (error) => {
      this.#context.log('error', `control: a dump was broken off: ${this.#dispatcher.describe(error, 'dump').message}`);
    });
  }

  #fail(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    this.#context.counters.requests++;
    this.#context.counters.errors++;
    const [status, told] = this.#told(error, request);
    if (status === 401) reply.header('www-authenticate', 'Bearer');
    reply.code(status).header('content-type', 'application/json; charset=utf-8');
    reply.send(JSON.stringify({ jsonrpc: '2.0', id: null, error: told }));
  }

  #told(error: unknown, request: FastifyRequest): [status: number, error: RpcErrorObject] {
    if (error instanceof HttpError)
      return [error.status, errorObject(error) ?? this.#dispatcher.describe(error, undefined)];
    const own = errorObject(error);
    if (own !== undefined) return [own.code === RpcCode.failed ? 500 : 400, own];
    // What fastify finds wrong with a request: too long, not JSON by its type …
    const status = (error as { statusCode?: unknown }).statusCode;
    if (typeof status === 'number' && status >= 400 && status < 500) {
      const code = status === 413 ? RpcCode.limit : RpcCode.invalidRequest;
      const data = { code: status === 413 ? ErrorCode.limit : ErrorCode.usage };
      return [status, { code, message: (error as Error).message, data }];
    }
    return [500, this.#dispatcher.describe(error, `${request.method} ${shown(request.url)}`)];
  }

  /** @throws RheoError `RHEO_CONTROL`, `RHEO_ACCESS` */
  async listen(): Promise<void> {
    const { host, port } = this.#listen;
    try {
      await this.#app.listen({ host, port });
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      const denied = code === 'EACCES';
      throw new RheoError(
        denied ? ErrorCode.access : ErrorCode.control,
        `cannot listen for HTTP on ${hostText(host)}:${port}: ${code}`,
        { remedy: denied ? 'Take a port above 1023.' : 'Take another address or port.', cause: error },
      );
    }
    const bound = this.#app.server.address();
    const actual = typeof bound === 'object' && bound !== null ? bound.port : port;
    this.address = `${this.#scheme}://${hostText(host)}:${actual}`;
  }

  async close(): Promise<void> {
    await this.#app.close();
  }
}

/** Part of a request that goes into a message. */
function shown(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

function invalid(message: string): HttpError {
  return new HttpError(400, RpcCode.invalidParams, ErrorCode.usage, message);
}

/**
 * JSON-RPC by POST /rpc, server-sent events at /events, /dump, /metrics, /healthz, /openapi.json.
 * @throws RheoError `RHEO_USAGE` for an address that others reach without TLS and token, `RHEO_INPUT` for files that cannot be
 * read, `RHEO_CONTROL` or `RHEO_ACCESS` if it cannot listen
 */
export async function listenHttp(context: TransportContext, options: HttpOptions): Promise<Listener> {
  let server: HttpServer;
  try {
    server = new HttpServer(context, options);
  } catch (error) {
    // A certificate that is none is found by OpenSSL only.
    if (error instanceof RheoError || options.tls === undefined) throw error;
    throw new RheoError(ErrorCode.input, `TLS: ${(error as Error).message}`, {
      remedy: `Check that ${options.tls.certFile} and ${options.tls.keyFile} are PEM and belong together.`,
      cause: error,
    });
  }
  await server.listen();
  return server;
}
