import { RegistryError } from '../../protocol/errors.ts'
import type { UploadRelay, UploadStart } from '../../routes/upload-relay.ts'
import { type ClientFamily, clientFamily, maxWaitMs, needsRelayToBegin } from './client-family.ts'
import { WITHOUT_RELAY } from './start-problem.ts'
import type { Readiness, RelayWaker } from './waker.ts'

/** Part of an upload URL's query: the relay serves, so the edge may send a large PATCH there. A hint, not a secret. */
const READY_MARK = 'relay=1'
const RETRY_AFTER = { 'retry-after': '5' }
const STARTING =
  'the relay for large layers is starting; repeat the push in a few seconds, unless your client does so itself'

/** Decides, by the client, whether an upload waits for the relay, and what the client receives when the relay does not start in time. */
export class UploadGate implements UploadRelay {
  readonly #waker: RelayWaker

  constructor(waker: RelayWaker) {
    this.#waker = waker
  }

  /** A client asks for a token to push with. The relay starts while the client does its next requests. */
  async announce(userAgent: string | undefined): Promise<void> {
    if (needsRelayToBegin(clientFamily(userAgent))) await this.#waker.wake()
  }

  /**
   * Before an upload session begins.
   * @throws {RegistryError} that makes the client retry, or that tells why the relay cannot start
   */
  async beginUpload(userAgent: string | undefined): Promise<UploadStart> {
    const family = clientFamily(userAgent)
    if (family === 'put') return { kind: 'begin', query: undefined }
    if (!needsRelayToBegin(family))
      return { kind: 'begin', query: (await this.#waker.isReady()) ? READY_MARK : undefined }
    const readiness = await this.#waker.wakeAndWait(maxWaitMs(family))
    if (readiness.state === 'ready') return { kind: 'begin', query: READY_MARK }
    if (readiness.state === 'starting' && family === 'jib') return { kind: 'repeat' }
    throw notReady(readiness, family)
  }

  /**
   * The edge redirected a PATCH that was too large for the API, because its upload began without the relay. The client repeats the
   * upload after the error.
   * @throws {RegistryError} always
   */
  async wakeForPatch(userAgent: string | undefined): Promise<never> {
    const family = clientFamily(userAgent)
    const readiness = await this.#waker.wakeAndWait(maxWaitMs(family))
    throw notReady(readiness, family)
  }
}

function notReady(readiness: Readiness, family: ClientFamily): RegistryError {
  if (readiness.state === 'failed') {
    const message = `the relay for large layers cannot start: ${readiness.problem}. ${WITHOUT_RELAY}`
    // These clients print the message of a 4xx only. A 403 is the most general one that they do not retry.
    const code = family === 'docker' || family === 'containers' ? 'DENIED' : 'UNAVAILABLE'
    return new RegistryError(code, { message, headers: RETRY_AFTER })
  }
  // 429 is the only status that these clients retry.
  const code = family === 'containers' ? 'TOOMANYREQUESTS' : 'UNAVAILABLE'
  return new RegistryError(code, { message: STARTING, headers: RETRY_AFTER })
}
