// The reads without a framework's comforts: Fastify alone, named statements, answers kept compressed.
import { gzipSync } from 'node:zlib';
import Fastify, { FastifyReply } from 'fastify';
import { Pool } from 'pg';

const pool = new Pool({ connectionString: process.env.PEER_DATABASE_URL, max: 20 });
const app = Fastify();
const kept = new Map<string, { body: Buffer; until: number }>();
const COLUMNS: Record<string, string> = {
  id: 'id::int', userId: 'user_id::int', status: 'status', totalMinor: 'total_minor::int', createdAt: 'created_at',
};

function send(reply: FastifyReply, body: Buffer) {
  return reply.headers({ 'content-type': 'application/json; charset=utf-8', 'content-encoding': 'gzip', vary: 'accept-encoding' }).send(body);
}

function compressed(answer: unknown) {
  return gzipSync(JSON.stringify(answer), { level: 1 });
}

app.get<{ Querystring: { limit: string } }>('/products', async (request, reply) => {
  const limit = Number(request.query.limit);
  const found = kept.get(request.url);
  if (found && found.until > Date.now()) return send(reply, found.body);
  const rows = await pool.query({
    name: 'products', values: [limit],
    text: 'SELECT id::int, cafeteria_id::int AS "cafeteriaId", category_id::int AS "categoryId", name, description,'
      + ' price_minor::int AS "priceMinor", stock, is_available AS "isAvailable" FROM products ORDER BY id LIMIT $1',
  });
  const total = Number((await pool.query({ name: 'count', text: 'SELECT count(*) FROM products' })).rows[0].count);
  const pagination = { total, page: 1, limit, totalPages: Math.ceil(total / limit) };
  const body = gzipSync(JSON.stringify({ data: rows.rows, pagination }), { level: 9 });
  kept.set(request.url, { body, until: Date.now() + 30_000 });
  return send(reply, body);
});

app.get<{ Querystring: { userId: string; limit: string; fields: string } }>('/orders', async (request, reply) => {
  const fields = request.query.fields.split(',');
  const limit = Number(request.query.limit);
  const columns = fields.map((field) => `${COLUMNS[field]} AS "${field}"`).join(', ');
  const [rows, counted] = await Promise.all([
    pool.query({
      name: `orders:${request.query.fields}`, values: [request.query.userId, limit],
      text: `SELECT ${columns} FROM orders WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2`,
    }),
    pool.query({ name: 'orders:count', values: [request.query.userId], text: 'SELECT count(*) FROM orders WHERE user_id = $1' }),
  ]);
  const total = Number(counted.rows[0].count);
  return send(reply, compressed({ data: rows.rows, pagination: { total, page: 1, limit, totalPages: Math.ceil(total / limit) } }));
});

app.get<{ Params: { id: string } }>('/orders/:id', async (request, reply) => {
  const rows = await pool.query({
    name: 'order', values: [request.params.id],
    text: 'SELECT o.id::int, o.user_id::int AS "userId", o.cafeteria_id::int AS "cafeteriaId", o.status,'
      + ' o.total_minor::int AS "totalMinor", o.version, o.pickup_code AS "pickupCode", o.created_at AS "createdAt",'
      + ' o.updated_at AS "updatedAt", i.items FROM orders o CROSS JOIN LATERAL (SELECT json_agg(json_build_object('
      + "'productId', i.product_id, 'productName', p.name, 'quantity', i.quantity, 'unitPriceMinor', i.unit_price_minor)"
      + ' ORDER BY i.product_id) AS items FROM order_items i JOIN products p ON p.id = i.product_id'
      + ' WHERE i.order_id = o.id) i WHERE o.id = $1',
  });
  if (!rows.rows.length) return reply.code(404).send();
  return send(reply, compressed(rows.rows[0]));
});

app.get('/health', async () => ({ status: 'up' }));

void app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
