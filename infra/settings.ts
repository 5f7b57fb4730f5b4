import * as v from 'valibot'
import { issuers, list, matching, oneNumberOf, oneOf, origins, tags, wholeNumber } from './setting-schemas.ts'

/** Fargate's sizes for one task: MiB that go with each number of CPU units. 1,024 units are one vCPU. */
const TASK_MEMORY: Record<number, readonly number[]> = {
  256: [512, 1024, 2048],
  512: steps(1024, 4096),
  1024: steps(2048, 8192),
  2048: steps(4096, 16384),
  4096: steps(8192, 30720),
}

/** What CloudWatch offers, in days. */
const RETENTION = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
]

const CERTIFICATE = /^arn:aws:acm:us-east-1:\d{12}:certificate\/[\w-]+$/
const DOMAIN = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/
const PREFIX_LIST = /^pl-[0-9a-f]{8,17}$/
const WEB_ACL = /^arn:aws:wafv2:us-east-1:\d{12}:global\/webacl\/.+$/
const ZONE = /^Z[A-Z0-9]{5,31}$/

/**
 * Everything that can be chosen about a deployment, with what is taken where nothing is said. On the command line:
 * `npx cdk deploy -c pull=edge -c relay=on`; for good: in the block `longshore` of cdk.json's context. The command line
 * wins. What is not listed here is refused.
 */
const FIELDS = {
  /** The stack's name; also begins the names of the bucket, of the log groups and of the secret. One account can hold several. */
  name: v.optional(
    matching(/^[a-z][a-z0-9-]{0,27}$/, 'at most 28 of a-z, 0-9 and -, beginning with a letter'),
    'longshore',
  ),

  /**
   * Where a client that pulls a blob is sent. `s3`: to a presigned address of the bucket, free inside the region. `edge`: to
   * a signed path on the registry's own domain, for networks that allow one host only; CloudFront's traffic is then paid for.
   */
  pull: v.optional(oneOf('s3', 'edge'), 's3'),

  /** Whether anybody must log in. `off`: whoever reaches the registry may push, pull and delete. */
  auth: v.optional(oneOf('on', 'off'), 'on'),

  /**
   * Whether there is a user `admin` with a generated password in Secrets Manager, which costs 0.40 dollars a month. Turned `off` when it
   * has served, the secret goes and the user stays. Without it the first account is made by `longshore user add --table`.
   */
  firstAdministrator: v.optional(oneOf('on', 'off'), 'on'),
  /**
   * Ids of the AWS accounts whose roles and users may log in by IAM, with commas; `own`: the account of the deployment; `off`:
   * nobody. What they may do then is for the policy to say, and a rule for `authenticated` is for all of them.
   */
  awsAccounts: v.optional(
    matching(/^(own|off|\d{12}(,\d{12})*)$/, 'own, off, or ids of accounts with commas'),
    'own',
  ),
  /** Whose ID tokens may log in by OpenID Connect, e.g. GitHub Actions: a list as docs/access.md has it, in cdk.json or as JSON text. */
  issuers: v.optional(issuers(), []),

  /**
   * Whether clients may stream a whole layer in one PATCH, as Docker's graph drivers, podman, skopeo, buildah, crane,
   * kaniko and jib do. Without it what they push must fit into a Lambda request, 4 MiB. The one part that costs much while idle.
   */
  relay: v.optional(oneOf('off', 'on'), 'off'),
  /** CPU units of one relay task; 1,024 are one vCPU. */
  relayCpu: v.optional(oneNumberOf(...Object.keys(TASK_MEMORY).map(Number)), 512),
  /** MiB of one relay task. Which there are depends on `relayCpu`. */
  relayMemory: v.optional(wholeNumber(512, 30720), 1024),
  /** Relay tasks that always run. Two survive the loss of one without a pause. */
  relayMin: v.optional(wholeNumber(1, 100), 1),
  /** Relay tasks at most, when the processors are busy. */
  relayMax: v.optional(wholeNumber(1, 100), 4),
  /**
   * Names of two or three availability zones for the relay, with commas. CloudFront does not reach into every zone: not
   * into use1-az3, for one. Without it: the first two of the region.
   */
  relayZones: v.optional(
    list(/^[a-z]{2}(-[a-z]+)+-\d[a-z]$/, 'two or three availability zones, e.g. us-east-1a,us-east-1b'),
  ),
  /**
   * Id of the list `com.amazonaws.global.cloudfront.origin-facing` in the stack's region, for the relay. Needed only in a
   * region that infra/constructs/network.ts does not list.
   */
  relayPrefixList: v.optional(matching(PREFIX_LIST, 'the id of a prefix list, e.g. pl-3b927c52')),

  /** The registry's own domain. Without it, CloudFront gives one. */
  domain: v.optional(matching(DOMAIN, 'a domain in lower case, e.g. registry.example.com')),
  /** ARN of the domain's certificate. CloudFront takes only those of us-east-1. */
  certificate: v.optional(matching(CERTIFICATE, 'the ARN of an ACM certificate in us-east-1')),
  /** Id of the Route 53 hosted zone in which to point the domain to CloudFront. Without it, do so yourself. */
  zone: v.optional(matching(ZONE, 'the id of a Route 53 hosted zone, e.g. Z0123456789ABC')),

  /**
   * Whether table, bucket and secret outlive the stack. `off`, once deployed: `cdk destroy` deletes the table and the secret, and the bucket if
   * it is empty.
   */
  retain: v.optional(oneOf('on', 'off'), 'on'),
  /** Patterns of the repositories that take images and indexes whose parts are absent: `mirror/**,cache/*`. Without it, none. */
  sparse: v.optional(
    matching(
      /^[a-z0-9._/*-]{1,255}(,[a-z0-9._/*-]{1,255}){0,9}$/,
      'at most 10 repository patterns with commas, e.g. mirror/**,cache/*',
    ),
  ),
  /** Hours for which bytes that nothing refers to are kept. */
  graceHours: v.optional(wholeNumber(1, 720), 24),
  /** Days for which logs are kept. */
  logRetentionDays: v.optional(oneNumberOf(...RETENTION), 30),
  /** MiB of the API function. More is also a faster processor. */
  memory: v.optional(wholeNumber(256, 10240), 1024),
  /** Requests in a second that the API lets through, and twice as many in a burst. What is above gets 429. */
  requestsPerSecond: v.optional(wholeNumber(1, 10000), 1000),
  /**
   * Whether one instance of the collector is set apart, so that there is never a second. A second does no harm, it only finds
   * nothing to do; and accounts that may run no more than 10 functions at once, as new ones do, cannot set any apart.
   */
  reserveCollector: v.optional(oneOf('on', 'off'), 'off'),
  /** Where CloudFront answers from. `100`: North America, Europe and Israel; `200`: not South America and Oceania. */
  priceClass: v.optional(oneOf('100', '200', 'all'), 'all'),
  /**
   * Origins of web pages on other sites that may use the registry from a browser, with commas. Each may do whatever its user may do.
   * Presigned URLs of the bucket can then be read by any page.
   */
  corsOrigins: v.optional(origins(), []),
  /** ARN of an AWS WAF web ACL for the distribution, of us-east-1. */
  webAcl: v.optional(matching(WEB_ACL, 'the ARN of a global WAF web ACL')),
  /** Change it to any other word to make a new key for upload and pull links. The one before is still taken, for links that are out. */
  secretGeneration: v.optional(
    matching(/^[\w.-]{1,32}$/, 'a word of at most 32 letters, digits, dots, _ and -'),
    '1',
  ),
  /** Tags for everything that can have them: `owner=me,team=you`, or an object in cdk.json. */
  tags: v.optional(tags(), {}),
}

const SCHEMA = v.strictObject(FIELDS)

export type Settings = v.InferOutput<typeof SCHEMA>

/** The message is one line that names the setting and says what is allowed. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
}

/**
 * @param context of the CDK app. Its own keys hold a colon or a slash; whatever else is in it is meant for us.
 * @throws {SettingsError} for what is unknown, not allowed, or does not go together
 */
export function readSettings(context: Record<string, unknown>): Settings {
  const { longshore = {}, ...flat } = context
  if (typeof longshore !== 'object' || longshore === null || Array.isArray(longshore))
    throw new SettingsError('the block `longshore` of the context must be an object')
  const said = Object.entries({ ...longshore, ...flat }).filter(([name]) => !/[:/]/.test(name))
  for (const [name] of said)
    if (!Object.hasOwn(FIELDS, name))
      throw new SettingsError(`there is no setting ${name}; there are ${Object.keys(FIELDS).join(', ')}`)
  const result = v.safeParse(SCHEMA, Object.fromEntries(said))
  if (!result.success) {
    const [issue] = result.issues
    const [{ key, value } = { key: '', value: '' }] = issue.path ?? []
    throw new SettingsError(`setting ${key} is ${JSON.stringify(value)}; allowed: ${issue.message}`)
  }
  checkTogether(result.output)
  return result.output
}

function checkTogether({ domain, certificate, zone, ...relay }: Settings): void {
  if (domain !== undefined && certificate === undefined)
    throw new SettingsError(
      'setting certificate is missing; with domain it must be the ARN of its certificate in us-east-1',
    )
  if (domain === undefined && certificate !== undefined)
    throw new SettingsError(
      'setting domain is missing; with certificate it must be the domain of that certificate',
    )
  if (domain === undefined && zone !== undefined)
    throw new SettingsError('setting domain is missing; with zone it must be a domain in that zone')
  const { relayCpu, relayMemory, relayMin, relayMax } = relay
  const sizes = TASK_MEMORY[relayCpu] ?? []
  if (!sizes.includes(relayMemory))
    throw new SettingsError(
      `setting relayMemory is ${relayMemory}; allowed with relayCpu ${relayCpu}: ${sizes.join(', ')}`,
    )
  if (relayMax < relayMin)
    throw new SettingsError(`setting relayMax is ${relayMax}; allowed: no less than relayMin, ${relayMin}`)
}

function steps(least: number, most: number): number[] {
  return Array.from({ length: (most - least) / 1024 + 1 }, (_, i) => least + i * 1024)
}
