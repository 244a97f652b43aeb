-- $1 product, $2 name, $3 price, $4 status, $5 description; null leaves it as it is.
update products
   set name = coalesce($2, name),
       price = coalesce($3::float8::numeric(12, 2), price),
       status = coalesce($4, status),
       description = coalesce($5, description),
       updated_at = now()
 where id = $1
