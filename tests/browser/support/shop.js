// The shop's tables: what tests change, and rows of their own to change.

import pg from "pg";

/** `sql` as a tagged template: values become parameters, the answer is the rows. */
export function connect(url) {
  const pool = new pg.Pool(options(url));
  pool.on("error", () => {});
  const sql = async (strings, ...values) => {
    const text = strings.reduce((text, part, n) => `${text}$${n}${part}`);
    return (await pool.query(text, values)).rows;
  };
  sql.client = () => pool.connect();
  sql.end = () => pool.end();
  return sql;
}

// A server on a Unix socket is named as psql and libpq name it.
function options(url) {
  const { searchParams, pathname, hostname, port, username } = new URL(url.replace(/^postgres:\/\/\//, "postgres://socket/"));
  return {
    host: searchParams.get("host") ?? hostname,
    port: Number(searchParams.get("port") ?? port),
    user: searchParams.get("user") ?? username,
    database: pathname.slice(1),
    max: 4,
  };
}

let made = 0;

/** Rows that belong to one test only. */
export function rows(sql) {
  return {
    /** A product with stock: `{id, name, seller_id, store_id}`. */
    async product({ name = `Thing ${process.pid}-${++made}`, price = 20, stock = 50, seller = 1 } = {}) {
      const [product] = await sql`
        insert into products (name, price, seller_id, store_id, category_id)
        select ${name}::text, ${price}::numeric, id, store_id, 1 from sellers where id = ${seller}
        returning id, name, seller_id, store_id`;
      await sql`insert into inventory (product_id, quantity) values (${product.id}, ${stock})`;
      return product;
    },

    async products(count, seller = 1) {
      return await sql`
        insert into products (name, price, seller_id, store_id, category_id)
        select 'Card ' || n, n, id, store_id, 1 from sellers, generate_series(1, ${count}::int) as n
         where id = ${seller} order by n
        returning id, name`;
    },

    /** A customer with an empty cart. */
    async user(name = `Customer ${process.pid}-${++made}`) {
      const [user] = await sql`insert into users (name) values (${name}) returning id, name`;
      await sql`insert into carts (user_id) values (${user.id})`;
      return user;
    },
  };
}

/** Ends the sessions in which daemons of this database listen; tells how many there were. */
export async function endListeners(sql) {
  const ended = await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name = 'pgbell' and query = 'listen pgbell'`;
  return ended.length;
}
