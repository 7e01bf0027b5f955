// A certified OpenID Provider (npm oidc-provider) for tests, on loopback, with a scripted login.
//
//   node provider.mjs '{"clients": [{"client_id": "…", "client_secret": "…", "redirect_uris": ["…"]}],
//                       "users": {"SUB": {"email": "…", "groups": ["…"]}}}'
//
// Further settings: "port" (0 takes a free one), "host" (a name for the issuer, for example idp.localhost), "ttl" (oidc-provider's, in seconds).
// When it answers it prints one line, `ready ISSUER`. It needs PKCE, puts every granted claim into the ID token as well, and always sends auth_time.
//
// Who signs in is the script that was set for the client, or the login_hint where it is the sub of a known user; an HTTP client that follows
// redirects with cookies then ends at the callback. With neither a plain form asks for the sub, for people and browsers.
//
//   GET  /_ctl/login?client_id=ID&sub=SUB           this client's next sign-ins are SUB's; without client_id every client's
//   GET  /_ctl/login?client_id=ID&error=CODE        they end with this error; with neither sub nor error the script is removed
//   GET  /_ctl/rotate[?drop=1]                      new signing keys come first; drop forgets the old ones. Answers the key ids
//   POST /_ctl/user    {"sub": "…", "claims": {…}}  adds or replaces a user
//   POST /_ctl/client  {"client_id": "…", …}        adds or replaces a client
//   GET  /_ctl/sign-out                             forgets every session, so that the next sign-in asks again

import { generateKeyPairSync, randomUUID } from 'node:crypto'
import http from 'node:http'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const installed = process.env.VESTIBULE_TEST_PARTS ?? new URL('../.installed', import.meta.url).pathname
const { Provider } = await import(pathToFileURL(createRequire(`${installed}/oidc/`).resolve('oidc-provider')))

const settings = { port: 0, host: '127.0.0.1', clients: [], users: {}, ttl: {}, ...JSON.parse(process.argv[2] ?? '{}') }
const users = new Map(Object.entries(settings.users))
const scripts = new Map()

// Everything that oidc-provider stores. It lives outside of the provider, which is built anew when keys or claims change.
const records = new Map()
class Memory {
  constructor (kind) { this.kind = kind }
  key (id) { return `${this.kind}:${id}` }
  async upsert (id, payload, expiresIn) {
    records.set(this.key(id), { payload, expires: expiresIn ? Date.now() + expiresIn * 1000 : Infinity })
    if (payload.uid) records.set(`uid:${payload.uid}`, id)
    if (payload.grantId) records.set(`grant:${payload.grantId}`, [...(records.get(`grant:${payload.grantId}`) ?? []), this.key(id)])
  }
  async find (id) {
    const record = records.get(this.key(id))
    return record && record.expires > Date.now() ? record.payload : undefined
  }
  async findByUid (uid) { return this.find(records.get(`uid:${uid}`)) }
  async findByUserCode () {}
  async consume (id) { records.get(this.key(id)).payload.consumed = Math.floor(Date.now() / 1000) }
  async destroy (id) { records.delete(this.key(id)) }
  async revokeByGrantId (grant) {
    for (const key of records.get(`grant:${grant}`) ?? []) records.delete(key)
    records.delete(`grant:${grant}`)
  }
}

const newKeys = () => [
  { alg: 'RS256', pair: generateKeyPairSync('rsa', { modulusLength: 2048 }) },
  { alg: 'ES256', pair: generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
].map(({ alg, pair }) => ({ ...pair.privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `${alg}-${randomUUID()}` }))
let keys = newKeys()

const profile = ['name', 'given_name', 'family_name', 'preferred_username', 'locale', 'zoneinfo', 'picture', 'updated_at']
const email = ['email', 'email_verified']
const phone = ['phone_number', 'phone_number_verified']

let provider, answer
function build () {
  // What no scope of the standard names, groups and a directory's own ids among it, comes with openid, as it does where an administrator adds it.
  const other = [...users.values()].flatMap(Object.keys).filter(name => ![...profile, ...email, ...phone].includes(name))
  provider = new Provider(issuer, {
    adapter: Memory,
    claims: { openid: ['sub', 'groups', ...new Set(other)], profile, email, phone, groups: ['groups'], acr: null, amr: null, auth_time: null, iss: null, sid: null },
    clientDefaults: { require_auth_time: true },
    clients: settings.clients,
    conformIdTokenClaims: false,
    cookies: { keys: ['loopback'] },
    features: {
      backchannelLogout: { enabled: true },
      claimsParameter: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: true }
    },
    // The default refuses private addresses; everything here is on loopback.
    fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
    findAccount: async (_, sub) => users.has(sub) ? { accountId: sub, claims: async () => ({ ...users.get(sub), sub }) } : undefined,
    interactions: { url: (_, interaction) => `/_login/${interaction.uid}` },
    jwks: { keys },
    // Consent was given to the organisation's own application by its administrator.
    loadExistingGrant: async ctx => {
      const known = ctx.oidc.session.grantIdFor(ctx.oidc.client.clientId)
      const grant = (known && await provider.Grant.find(known)) || new provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId })
      grant.addOIDCScope('openid offline_access profile email phone groups')
      if (ctx.oidc.requestParamClaims?.size) grant.addOIDCClaims([...ctx.oidc.requestParamClaims])
      await grant.save()
      return grant
    },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    scopes: ['openid', 'offline_access', 'profile', 'email', 'phone', 'groups'],
    ttl: { AccessToken: 300, AuthorizationCode: 60, Grant: 86400, IdToken: 300, Interaction: 600, RefreshToken: 86400, Session: 86400, ...settings.ttl }
  })
  for (const event of ['server_error', 'authorization.error', 'grant.error', 'backchannel.error']) {
    provider.on(event, (_, error) => console.error(event, error.message, error.error_description ?? '', error.cause ?? ''))
  }
  answer = provider.callback()
}

async function body (request) {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}

async function login (request, response) {
  const { params, prompt } = await provider.interactionDetails(request, response)
  const finish = result => provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false })
  if (prompt.name !== 'login') return finish({})
  const script = scripts.get(params.client_id) ?? scripts.get('*')
  if (script?.error) return finish({ error: script.error, error_description: 'as the test wants it' })
  const signIn = sub => finish({ login: { accountId: sub, amr: ['pwd'], remember: true } })
  if (script?.sub) return signIn(script.sub)
  let refused = ''
  if (request.method === 'POST') {
    const sub = new URLSearchParams(await body(request)).get('login')
    if (users.has(sub)) return signIn(sub)
    refused = '<p role="alert">Nobody has this name.</p>'
  } else if (users.has(params.login_hint)) {
    return signIn(params.login_hint)
  }
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.end(`<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Test identity provider</title>
<main><h1>Test identity provider</h1>${refused}<form method="post"><label>Name <input name="login" autocomplete="username" required></label> <button>Sign in</button></form></main></html>`)
}

async function control (request, response, url) {
  const query = url.searchParams
  let result = 'ok'
  switch (url.pathname) {
    case '/_ctl/login': {
      const [client, sub, error] = [query.get('client_id') ?? '*', query.get('sub'), query.get('error')]
      if (sub && !users.has(sub)) throw new Error(`no user ${sub}`)
      if (sub || error) scripts.set(client, { sub, error }); else scripts.delete(client)
      break
    }
    case '/_ctl/rotate':
      keys = query.has('drop') ? newKeys() : [...newKeys(), ...keys]
      build()
      result = keys.map(key => key.kid)
      break
    case '/_ctl/user': {
      const { sub, claims } = JSON.parse(await body(request))
      users.set(sub, claims)
      build()
      break
    }
    case '/_ctl/client': {
      const client = JSON.parse(await body(request))
      settings.clients = [...settings.clients.filter(known => known.client_id !== client.client_id), client]
      build()
      break
    }
    case '/_ctl/sign-out':
      for (const key of records.keys()) if (key.startsWith('Session:')) records.delete(key)
      break
    default:
      response.statusCode = 404
      result = 'unknown control'
  }
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(result))
}

const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, issuer)
  try {
    if (url.pathname.startsWith('/_login/')) await login(request, response)
    else if (url.pathname.startsWith('/_ctl/')) await control(request, response, url)
    else await answer(request, response)
  } catch (error) {
    console.error(request.method, url.pathname, error)
    response.statusCode = 400
    response.end(`${error.message}\n`)
  }
})
let issuer
server.listen(settings.port, '127.0.0.1', () => {
  issuer = `http://${settings.host}:${server.address().port}`
  build()
  console.log(`ready ${issuer}`)
})
