import { readFileSync } from 'node:fs'
import { attempt } from '../support/command.ts'
import { LocalServer } from '../support/local-server.ts'
import { TempDir } from '../support/temp-dir.ts'
import { type JUnitCase, parseJUnit } from './junit.ts'

/**
 * Everything that the suite can ask for, whichever version of the spec it judges. Its settings are in its README.
 *
 * OCI_DATA_SPARSE is off here, as in the suite: it pushes images without one of their layers and indexes without one of their images, and
 * takes nothing but 201 for an answer. The spec lets a registry refuse both, and this one does unless the setting `sparse` names the
 * repository. One candidate has that setting and turns it on.
 */
const EVERYTHING = {
  OCI_API_PULL: 'true',
  OCI_API_PUSH: 'true',
  OCI_API_BLOBS_ATOMIC: 'true',
  OCI_API_BLOBS_DELETE: 'true',
  OCI_API_BLOBS_DIGEST_HEADER: 'true',
  OCI_API_BLOBS_MOUNT_ANONYMOUS: 'true',
  OCI_API_BLOBS_UPLOAD_CANCEL: 'true',
  OCI_API_MANIFESTS_ATOMIC: 'true',
  OCI_API_MANIFESTS_DELETE: 'true',
  OCI_API_MANIFESTS_DIGEST_HEADER: 'true',
  OCI_API_MANIFESTS_TAG_PARAM: 'true',
  OCI_API_TAGS_ATOMIC: 'true',
  OCI_API_TAGS_DELETE: 'true',
  OCI_API_TAGS_LIST: 'true',
  OCI_API_REFERRER: 'true',
  OCI_DATA_IMAGE: 'true',
  OCI_DATA_INDEX: 'true',
  OCI_DATA_INDEX_LIST: 'true',
  OCI_DATA_ARTIFACT: 'true',
  OCI_DATA_ARTIFACT_LIST: 'true',
  OCI_DATA_SUBJECT: 'true',
  OCI_DATA_SUBJECT_LIST: 'true',
  OCI_DATA_SUBJECT_MISSING: 'true',
  OCI_DATA_DATA_FIELD: 'true',
  OCI_DATA_NONDISTRIBUTABLE: 'true',
  OCI_DATA_CUSTOM_FIELDS: 'true',
  OCI_DATA_NO_LAYERS: 'true',
  OCI_DATA_EMPTY_BLOB: 'true',
  OCI_DATA_SHA512: 'true',
}

/** The versions of the distribution-spec that the suite judges by. */
export const VERSIONS = ['1.1', 'dev']

export interface Verdict {
  readonly code: number
  readonly cases: readonly JUnitCase[]
}

/** What can be judged: whatever serves the registry at `host`, over http. */
interface Judged extends AsyncDisposable {
  readonly host: string
}

export interface Trial {
  /** Starts what is judged. */
  readonly start?: () => Promise<Judged>
  /** Settings of the suite that differ. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Runs the OCI conformance suite against a server of its own. */
export async function runSuite(
  program: string,
  version: string,
  { start = () => LocalServer.start(), settings = {} }: Trial = {},
): Promise<Verdict> {
  await using server = await start()
  using scratch = new TempDir('longshore-conformance-')
  const env = {
    ...EVERYTHING,
    ...settings,
    OCI_VERSION: version,
    OCI_REGISTRY: server.host,
    OCI_TLS: 'disabled',
    OCI_RESULTS_DIR: scratch.path,
    OCI_LOG: 'error',
  }
  const { code } = await attempt(program, [], { env, cwd: scratch.path })
  return { code, cases: parseJUnit(readFileSync(scratch.join('junit.xml'), 'utf8')) }
}
