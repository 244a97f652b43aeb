-- $1 the daemon's socket, $2 its console.
select jsonb_build_object(
    'ws', $1,
    'console', $2,
    'users', (select coalesce(jsonb_agg(jsonb_build_object('id', id, 'name', name) order by id), '[]') from users),
    'sellers', (select coalesce(jsonb_agg(jsonb_build_object('id', seller.id, 'name', seller.name,
                                                             'store_id', seller.store_id, 'store', store.name)
                                          order by seller.id), '[]')
                  from sellers as seller left join stores as store on store.id = seller.store_id),
    'categories', (select coalesce(jsonb_agg(jsonb_build_object('id', id, 'name', name) order by id), '[]')
                     from categories))
