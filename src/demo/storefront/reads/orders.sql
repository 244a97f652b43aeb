-- $1 user.
select jsonb_build_object('items', (select coalesce(jsonb_agg(card order by id desc), '[]')
                                      from (select id, card from order_cards where user_id = users.id
                                             order by id desc limit 50) as newest))
  from users
 where id = $1::bigint
