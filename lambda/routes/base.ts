import { route } from '../http/router.ts'
import { jsonResponse } from './responses.ts'

/** end-1. Clients send this request first, to detect a registry and its login method. */
async function base() {
  return jsonResponse({})
}

async function headBase() {
  const { status, headers } = jsonResponse({})
  return { status, headers }
}

export const baseRoutes = [route('GET', '/v2/', 'ping', base), route('HEAD', '/v2/', 'ping', headBase)]
