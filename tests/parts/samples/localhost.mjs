// Names under .localhost are this machine (RFC 6761 section 6.3), as browsers know and not every system's resolver does: node --import ./localhost.mjs portal.mjs

import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'

const lookup = dns.lookup
dns.lookup = (name, options, callback) => lookup(/\.localhost$/.test(name) ? '127.0.0.1' : name, options, callback)
syncBuiltinESMExports()
