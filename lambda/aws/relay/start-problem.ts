import { Ec2Error } from './ec2.ts'

/** What a failed start means: try again soon, or tell the client why the relay cannot start. */
export type StartFailure =
  | { readonly kind: 'transient' }
  | { readonly kind: 'permanent'; readonly problem: string }

const QUOTA =
  'the EC2 quota of the AWS account is used up; request an increase of "Running On-Demand Standard instances" in Service Quotas'
const NOT_ALLOWED =
  'the registry is not allowed to start its instance; an administrator must allow ec2:StartInstances, which may be denied by an organization policy'
const NO_INSTANCE = 'its EC2 instance was deleted; an administrator must deploy the stack again'

/** EC2's error codes ("Error codes for the Amazon EC2 API") that a retry within seconds cannot resolve. */
const PROBLEMS: Readonly<Record<string, string>> = {
  InsufficientInstanceCapacity:
    'AWS has no capacity for its instance type in the availability zone at the moment',
  InsufficientHostCapacity:
    'AWS has no capacity for its instance type in the availability zone at the moment',
  Unsupported:
    'its instance type is not available in the availability zone; an administrator must set relayInstance',
  VcpuLimitExceeded: QUOTA,
  InstanceLimitExceeded: QUOTA,
  PendingVerification: 'AWS is still verifying the account for EC2, which can take up to four hours',
  Blocked: 'AWS has blocked EC2 for the account; an administrator must contact AWS Support',
  OptInRequired: 'the AWS account is not signed up for EC2',
  UnauthorizedOperation: NOT_ALLOWED,
  AccessDenied: NOT_ALLOWED,
  AuthFailure: NOT_ALLOWED,
  'InvalidInstanceID.NotFound': NO_INSTANCE,
  'InvalidInstanceID.Malformed': NO_INSTANCE,
}

/** A request that EC2 throttled, an instance that is still stopping, a lost connection: all of them pass. */
export function startFailure(error: unknown): StartFailure {
  const problem = error instanceof Ec2Error ? PROBLEMS[error.code] : undefined
  return problem === undefined ? { kind: 'transient' } : { kind: 'permanent', problem }
}

/** What a client can do without the relay. */
export const WITHOUT_RELAY =
  'Docker 29, buildx and oras need no relay for layers up to 5 GB; neither does "longshore push"'
