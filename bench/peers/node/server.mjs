// The same chat as a good Node team would write it: mercurius with its compiler (jit 1), or graphql-yoga with graphql-ws;
// pg with named statements, ioredis, DataLoader. One statement a send, no batches; no receipts by message, blocks, repeats
// or replay. MODE=mercurius|yoga, PORT, DSN (PostgreSQL), REDIS; tables and people by bench/peers/seed.py.
import crypto from 'node:crypto'
import http from 'node:http'
import pg from 'pg'
import Redis from 'ioredis'
import DataLoader from 'dataloader'

const PORT = +process.env.PORT
pg.types.setTypeParser(20, v => v)
const pool = new pg.Pool({ connectionString: process.env.DSN, max: 8 })
await Promise.all(Array.from({ length: 8 }, () => pool.query('select pg_sleep(0.05)')))

const SDL = `
type User { id: ID! name: String! }
type Message { id: ID! channelId: ID! seq: Int! text: String! sentAt: String! state: String! sender: User! }
type Query { messages(channelId: ID!, last: Int = 50, beforeSeq: Int): [Message!]! }
type Mutation { sendMessage(channelId: ID!, text: String!): Message! }
type Subscription { messageAdded(channelId: ID!): Message! }`

const verified = new Map()
function auth (h) {
  if (!h) return null
  const t = h.slice(7)
  if (verified.has(t)) return verified.get(t)
  const [uid, sig] = t.split('.')
  const want = crypto.createHmac('sha256', 'of no use anywhere else').update(uid).digest('hex')
  if (sig !== want) return null
  verified.set(t, uid)
  return uid
}
const SEND = `with m as (select u.name from chat.member m join chat.users u on u.id=m.user_id where m.channel_id=$1 and m.user_id=$2),
 c as (update chat.channel set last_seq=last_seq+1 where id=$1 and exists(select 1 from m) returning last_seq)
 insert into chat.message(channel_id,seq,sender_id,text) select $1,last_seq,$2,$3 from c returning id,seq,sent_at,(select name from m)`
const PAGE = `select id,channel_id,seq,sender_id,text,sent_at from chat.message where channel_id=$1 and seq<$2 order by seq desc limit $3`
const by = (rows, k) => { const m = new Map(); for (const r of rows) m.set(r[k], r); return m }
const loaders = () => ({
  user: new DataLoader(async ids => { const { rows } = await pool.query({ name: 'u', text: 'select id,name from chat.users where id=any($1)', values: [ids] }); const m = by(rows, 'id'); return ids.map(i => m.get(i)) }),
  marks: new DataLoader(async ids => { const { rows } = await pool.query({ name: 'w', text: 'select channel_id,user_id,delivered_seq,read_seq from chat.member where channel_id=any($1)', values: [ids] }); return ids.map(i => rows.filter(r => r.channel_id === i)) })
})
const out = r => ({ id: r.id, channelId: r.channel_id, seq: +r.seq, text: r.text, sentAt: r.sent_at.toISOString(), senderId: r.sender_id })
const need = c => { if (!c.uid) throw new Error('unauthenticated'); return c.uid }
const Message = {
  sender: (m, _, c) => m.sender ?? c.loaders.user.load(m.senderId),
  state: async (m, _, c) => {
    const o = (await c.loaders.marks.load(m.channelId)).filter(r => r.user_id !== m.senderId)
    return o.every(r => +r.read_seq >= m.seq) ? 'READ' : o.every(r => +r.delivered_seq >= m.seq) ? 'DELIVERED' : 'SENT'
  }
}
async function messages (_, { channelId, last, beforeSeq }, c) {
  const uid = need(c)
  const ok = await pool.query({ name: 'm', text: 'select 1 from chat.member where channel_id=$1 and user_id=$2', values: [channelId, uid] })
  if (!ok.rowCount) throw new Error('forbidden')
  const { rows } = await pool.query({ name: 'p', text: PAGE, values: [channelId, beforeSeq ?? '9223372036854775807', last] })
  return rows.map(out)
}
async function store ({ channelId, text }, c) {
  const uid = need(c)
  const { rows } = await pool.query({ name: 's', text: SEND, values: [channelId, uid, text] })
  if (!rows.length) throw new Error('forbidden')
  const r = rows[0]
  return { id: r.id, channelId, seq: +r.seq, text, sentAt: r.sent_at.toISOString(), senderId: uid, sender: { id: uid, name: r.name } }
}

if (process.env.MODE !== 'yoga') {
  const { default: Fastify } = await import('fastify')
  const { default: mercurius } = await import('mercurius')
  const { default: mq } = await import('mqemitter-redis')
  const emitter = mq({ connectionString: process.env.REDIS, port: +new URL(process.env.REDIS).port, host: '127.0.0.1' })
  const app = Fastify()
  app.register(mercurius, {
    schema: SDL,
    jit: 1,
    context: req => ({ uid: auth(req.headers.authorization), loaders: loaders() }),
    subscription: { emitter, fullWsTransport: true, onConnect: d => { const uid = auth(d.payload?.authorization); return uid ? { uid, loaders: loaders() } : false }, context: () => ({}) },
    resolvers: {
      Message, Query: { messages },
      Mutation: { sendMessage: async (_, args, c) => { const m = await store(args, c); c.pubsub.publish({ topic: 'ch.' + args.channelId, payload: { messageAdded: m } }); return m } },
      Subscription: { messageAdded: { subscribe: async (_, { channelId }, { pubsub }) => pubsub.subscribe('ch.' + channelId) } }
    }
  })
  await app.listen({ port: PORT, host: '127.0.0.1' })
} else {
  const { createYoga, createSchema, Repeater } = await import('graphql-yoga')
  const { useServer } = await import('graphql-ws/use/ws')
  const { WebSocketServer } = await import('ws')
  const R = Redis.default ?? Redis.Redis ?? Redis
  const pub = new R(process.env.REDIS); const sub = new R(process.env.REDIS)
  const local = new Map()
  sub.on('message', (ch, s) => { const m = JSON.parse(s); for (const f of local.get(ch) ?? []) f(m) })
  const listen = ch => new Repeater(async (push, stop) => {
    let set = local.get(ch)
    if (!set) { local.set(ch, set = new Set()); await sub.subscribe(ch) }
    const f = m => push({ messageAdded: m }); set.add(f)
    await stop
    set.delete(f)
    if (!set.size) { local.delete(ch); await sub.unsubscribe(ch) }
  })
  const schema = createSchema({ typeDefs: SDL, resolvers: {
    Message, Query: { messages },
    Mutation: { sendMessage: async (_, args, c) => { const m = await store(args, c); pub.publish('ch.' + args.channelId, JSON.stringify(m)); return m } },
    Subscription: { messageAdded: { subscribe: (_, { channelId }) => listen('ch.' + channelId) } }
  } })
  const yoga = createYoga({ schema, graphiql: false, logging: false, context: ({ request }) => ({ uid: auth(request?.headers?.get?.('authorization')), loaders: loaders() }) })
  const server = http.createServer(yoga)
  useServer({ schema, context: ctx => ({ uid: auth(ctx.connectionParams?.authorization), loaders: loaders() }), onConnect: ctx => !!auth(ctx.connectionParams?.authorization) },
    new WebSocketServer({ server, path: '/graphql' }))
  server.listen(PORT, '127.0.0.1')
}
