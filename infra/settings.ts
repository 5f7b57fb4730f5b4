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

/** The retention periods that CloudWatch offers, in days. */
const RETENTION = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
]

const AMI = /^ami-[0-9a-f]{8,17}$/
/** Types of Graviton processors have a `g` behind the number of the generation. The smallest ones lack the memory for updates. */
const INSTANCE = /^[a-z]+\d+g[a-z]*\.(micro|small|medium|large|\d*xlarge)$/
const CERTIFICATE = /^arn:aws:acm:us-east-1:\d{12}:certificate\/[\w-]+$/
const DOMAIN = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/
const PREFIX_LIST = /^pl-[0-9a-f]{8,17}$/
const WEB_ACL = /^arn:aws:wafv2:us-east-1:\d{12}:global\/webacl\/.+$/
const ZONE = /^Z[A-Z0-9]{5,31}$/

/**
 * All settings of a deployment with their defaults. Pass them on the command line, `npx cdk deploy -c pull=edge -c relay=off`, or put
 * them into the block `longshore` of the context in cdk.json. The command line wins. Unknown settings are refused.
 */
const FIELDS = {
  /** The stack's name, and the prefix of the names of bucket, log groups and secret. One account can hold several stacks. */
  name: v.optional(
    matching(/^[a-z][a-z0-9-]{0,27}$/, 'at most 28 of a-z, 0-9 and -, beginning with a letter'),
    'longshore',
  ),

  /**
   * Where pulls of blobs are redirected. `s3`: to a presigned URL of the bucket, free of traffic costs inside the region. `edge`: to a
   * signed URL on the registry's own domain, for networks that allow one host only; CloudFront's traffic is charged.
   */
  pull: v.optional(oneOf('s3', 'edge'), 's3'),

  /** `off`: every client that reaches the registry has full access. */
  auth: v.optional(oneOf('on', 'off'), 'on'),

  /**
   * Creates the user `admin` with a generated password in Secrets Manager, which costs 0.40 dollars a month. When it is turned `off`
   * later, the secret is deleted and the user stays. Without it, create the first account with `longshore user add --table`.
   */
  firstAdministrator: v.optional(oneOf('on', 'off'), 'on'),
  /**
   * Ids of the AWS accounts whose roles and users may log in with IAM, separated by commas; `own`: the account of the deployment;
   * `off`: none. The policy decides what they may do; a rule for `authenticated` applies to all of them.
   */
  awsAccounts: v.optional(
    matching(/^(own|off|\d{12}(,\d{12})*)$/, 'own, off, or account ids separated by commas'),
    'own',
  ),
  /** Issuers whose ID tokens may log in by OpenID Connect, e.g. GitHub Actions: a list as in docs/access.md, in cdk.json or as JSON text. */
  issuers: v.optional(issuers(), []),

  /**
   * The relay accepts a whole layer in one PATCH, as Docker's graph drivers, podman, skopeo, buildah, crane, kaniko and jib send it.
   * Without it, their layers are limited to a Lambda request, 4 MiB. `auto`: one EC2 instance, which is stopped while idle; `always`:
   * the same, never stopped; `fargate`: containers behind a load balancer, which cost about 35 dollars a month; `off`: none. `on` is
   * the former name of `fargate`.
   */
  relay: v.optional(
    v.pipe(
      oneOf('auto', 'always', 'fargate', 'off', 'on'),
      v.transform(relay => (relay === 'on' ? 'fargate' : relay)),
    ),
    'auto',
  ),
  /** Type of the relay's instance, with a processor for arm64 (Graviton). */
  relayInstance: v.optional(
    matching(INSTANCE, 'an arm64 instance type, e.g. t4g.small or c8g.medium'),
    't4g.small',
  ),
  /** Minutes without a request after which the relay of `auto` stops. */
  relayIdleMinutes: v.optional(wholeNumber(15, 1440), 15),
  /** Id of the image of the relay's instance: Amazon Linux 2023 for arm64. Default: that of infra/amis.json. */
  relayAmi: v.optional(matching(AMI, 'the id of an image, e.g. ami-0123456789abcdef0')),
  /** CPU units of one task of `fargate`; 1,024 are one vCPU. */
  relayCpu: v.optional(oneNumberOf(...Object.keys(TASK_MEMORY).map(Number)), 512),
  /** Memory of one task in MiB. The allowed values depend on `relayCpu`. */
  relayMemory: v.optional(wholeNumber(512, 30720), 1024),
  /** Minimum number of tasks. With two, the loss of one causes no interruption. */
  relayMin: v.optional(wholeNumber(1, 100), 1),
  /** Maximum number of tasks under load. */
  relayMax: v.optional(wholeNumber(1, 100), 4),
  /**
   * Names of availability zones for the relay, separated by commas: one for the instance, two or three for `fargate`. CloudFront does
   * not support every zone, for example not use1-az3. Default: the first ones of the region.
   */
  relayZones: v.optional(
    list(/^[a-z]{2}(-[a-z]+)+-\d[a-z]$/, 'one to three availability zones, e.g. us-east-1a,us-east-1b'),
  ),
  /**
   * Id of the list `com.amazonaws.global.cloudfront.origin-facing` in the stack's region, for the relay. Needed only in a
   * region that infra/constructs/cloudfront-lists.ts does not list.
   */
  relayPrefixList: v.optional(matching(PREFIX_LIST, 'the id of a prefix list, e.g. pl-3b927c52')),

  /** The registry's domain. Default: the name that CloudFront assigns. */
  domain: v.optional(matching(DOMAIN, 'a domain in lower case, e.g. registry.example.com')),
  /** ARN of the domain's certificate, which must be in us-east-1 (CloudFront). */
  certificate: v.optional(matching(CERTIFICATE, 'the ARN of an ACM certificate in us-east-1')),
  /** Id of the Route 53 hosted zone for the domain's records. Without it, create the records yourself. */
  zone: v.optional(matching(ZONE, 'the id of a Route 53 hosted zone, e.g. Z0123456789ABC')),

  /**
   * Whether table, bucket and secret are retained when the stack is deleted. `off`, once deployed: `cdk destroy` deletes the table, the
   * secret and an empty bucket.
   */
  retain: v.optional(oneOf('on', 'off'), 'on'),
  /** Patterns of the repositories that accept incomplete images and indexes: `mirror/**,cache/*`. Default: none. */
  sparse: v.optional(
    matching(
      /^[a-z0-9._/*-]{1,255}(,[a-z0-9._/*-]{1,255}){0,9}$/,
      'at most 10 repository patterns separated by commas, e.g. mirror/**,cache/*',
    ),
  ),
  /** Grace period of unreferenced content, in hours. */
  graceHours: v.optional(wholeNumber(1, 720), 24),
  /** Retention period of the logs, in days. */
  logRetentionDays: v.optional(oneNumberOf(...RETENTION), 30),
  /** Memory of the API function in MiB. More memory also means a faster processor. */
  memory: v.optional(wholeNumber(256, 10240), 1024),
  /** Throttling limit of the API in requests per second, with a burst of twice as many. Further requests get 429. */
  requestsPerSecond: v.optional(wholeNumber(1, 10000), 1000),
  /**
   * Reserves a concurrency of one for the collector, so that a second instance never runs. A second instance is harmless, but finds
   * nothing to do. Accounts with a concurrency limit of 10, such as new ones, cannot reserve any.
   */
  reserveCollector: v.optional(oneOf('on', 'off'), 'off'),
  /** CloudFront's price class. `100`: North America, Europe and Israel; `200`: all but South America and Oceania. */
  priceClass: v.optional(oneOf('100', '200', 'all'), 'all'),
  /**
   * Origins of web pages on other sites that may use the registry (CORS), separated by commas. A page has the rights of its user.
   * Presigned URLs of the bucket can then be read by any page.
   */
  corsOrigins: v.optional(origins(), []),
  /** ARN of an AWS WAF web ACL for the distribution, of us-east-1. */
  webAcl: v.optional(matching(WEB_ACL, 'the ARN of a global WAF web ACL')),
  /** A new value rotates the keys of signed URLs and tokens. The previous keys are still accepted. */
  secretGeneration: v.optional(
    matching(/^[\w.-]{1,32}$/, 'a word of at most 32 letters, digits, dots, _ and -'),
    '1',
  ),
  /** Tags of all resources that support them: `owner=me,team=you`, or an object in cdk.json. */
  tags: v.optional(tags(), {}),
}

const SCHEMA = v.strictObject(FIELDS)

export type Settings = v.InferOutput<typeof SCHEMA>

/** A setting is invalid. The message is one line that names the setting and the allowed values. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
}

/**
 * @param context the context of the CDK app. Keys with a colon or a slash belong to the CDK; all others are settings.
 * @throws {SettingsError} for settings that are unknown, invalid or do not fit together
 */
export function readSettings(context: Record<string, unknown>): Settings {
  const { longshore = {}, ...flat } = context
  if (typeof longshore !== 'object' || longshore === null || Array.isArray(longshore))
    throw new SettingsError('the block `longshore` of the context must be an object')
  const given = Object.entries({ ...longshore, ...flat }).filter(([name]) => !/[:/]/.test(name))
  for (const [name] of given)
    if (!Object.hasOwn(FIELDS, name))
      throw new SettingsError(`there is no setting ${name}; there are ${Object.keys(FIELDS).join(', ')}`)
  const result = v.safeParse(SCHEMA, Object.fromEntries(given))
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
  checkZones(relay)
  const { relayCpu, relayMemory, relayMin, relayMax } = relay
  const sizes = TASK_MEMORY[relayCpu] ?? []
  if (!sizes.includes(relayMemory))
    throw new SettingsError(
      `setting relayMemory is ${relayMemory}; allowed with relayCpu ${relayCpu}: ${sizes.join(', ')}`,
    )
  if (relayMax < relayMin)
    throw new SettingsError(`setting relayMax is ${relayMax}; allowed: no less than relayMin, ${relayMin}`)
}

function checkZones({ relay, relayZones }: Pick<Settings, 'relay' | 'relayZones'>): void {
  if (relay === 'fargate' && relayZones?.length === 1)
    throw new SettingsError(
      `setting relayZones is ${JSON.stringify(relayZones.join())}; allowed with relay fargate: two or three availability zones`,
    )
}

function steps(min: number, max: number): number[] {
  return Array.from({ length: (max - min) / 1024 + 1 }, (_, i) => min + i * 1024)
}
