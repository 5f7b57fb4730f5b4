import type { Check } from '../context.ts'
import { API_CHECKS } from './api.ts'
import { DIRECT_UPLOAD_CHECKS } from './direct-upload.ts'
import { STREAM_CHECKS } from './streams.ts'

/** Checks of the AWS behaviour that the design relies on and AWS does not document, in the order in which they run. */
export const CHECK_GROUPS: readonly (readonly Check[])[] = [API_CHECKS, DIRECT_UPLOAD_CHECKS, STREAM_CHECKS]
