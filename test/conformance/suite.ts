import { readFileSync } from 'node:fs'
import { attempt } from '../support/command.ts'
import { LocalServer } from '../support/local-server.ts'
import { TempDir } from '../support/temp-dir.ts'
import { type JUnitCase, parseJUnit } from './junit.ts'

/**
 * All features that the suite can test, for every version of the spec. The suite's README describes its settings.
 *
 * OCI_DATA_SPARSE is off, as by default: with it the suite pushes images without one of their layers and indexes
 * without one of their images, and requires 201. The spec lets a registry refuse both, and this registry does unless
 * the setting `sparse` matches the repository. One candidate has that setting and turns the feature on.
 */
const ALL_FEATURES = {
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

/** The versions of the distribution-spec that are tested. */
export const VERSIONS = ['1.1', 'dev']

export interface Verdict {
  readonly code: number
  readonly cases: readonly JUnitCase[]
}

/** A registry at `host`, over http. */
interface TestedRegistry extends AsyncDisposable {
  readonly host: string
}

export interface Trial {
  /** Starts the tested registry. Absent: the server for one machine. */
  readonly start?: () => Promise<TestedRegistry>
  /** Settings of the suite that differ from {@link ALL_FEATURES}. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Starts a registry and runs the OCI conformance suite against it. */
export async function runSuite(
  program: string,
  version: string,
  { start = () => LocalServer.start(), settings = {} }: Trial = {},
): Promise<Verdict> {
  await using server = await start()
  using scratch = new TempDir('longshore-conformance-')
  const env = {
    ...ALL_FEATURES,
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
