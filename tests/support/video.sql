-- A shop that lends films: somebody else's schema, with a partitioned table, columns that change with everything, a
-- generated column and an enumerated type.

create type rating as enum ('all', 'teens', 'adults');

create table store (
    store_id int primary key,
    city     text not null
);

create table film (
    film_id     int primary key,
    title       text not null,
    summary     text,
    rental_rate numeric(5, 2) not null default 3,
    rating      rating not null default 'all',
    minutes     int,
    hours       numeric generated always as (round(minutes / 60.0, 1)) stored,
    last_update timestamptz not null default now()
);

create table customer (
    customer_id int primary key,
    store_id    int not null references store,
    name        text not null,
    email       text
);

create table inventory (
    inventory_id int primary key,
    film_id      int not null references film,
    store_id     int not null references store,
    last_update  timestamptz not null default now()
);

create table rental (
    rental_id    int primary key,
    inventory_id int not null references inventory,
    customer_id  int not null references customer on delete cascade,
    rented_at    timestamptz not null,
    returned_at  timestamptz
);

create table payment (
    payment_id  int not null,
    paid_on     date not null,
    customer_id int not null references customer on delete cascade,
    rental_id   int,
    amount      numeric(6, 2) not null,
    primary key (paid_on, payment_id)
) partition by range (paid_on);

create table payment_2030_01 partition of payment for values from ('2030-01-01') to ('2030-02-01');
create table payment_2030_02 partition of payment for values from ('2030-02-01') to ('2030-03-01');
create table payment_2030_03 partition of payment for values from ('2030-03-01') to ('2030-04-01');
create table payment_2030_04 partition of payment for values from ('2030-04-01') to ('2030-05-01');

insert into store values (1, 'Here'), (2, 'There');
insert into film (film_id, title, minutes) select n, 'Film ' || n, 60 + n from generate_series(1, 9) as n;
insert into customer select n, 1 + n % 2, 'Customer ' || n, n || '@example.org' from generate_series(1, 5) as n;
insert into inventory select n, 1 + n % 9, 1 + n % 2 from generate_series(1, 20) as n;
insert into rental
select n, n, 1 + n % 5, '2030-01-01'::timestamptz + n * interval '1 hour',
       case when n % 3 > 0 then '2030-01-05'::timestamptz end
  from generate_series(1, 15) as n;
insert into payment select n, '2030-01-10'::date + n, 1 + n % 5, n, 4 from generate_series(1, 15) as n;
