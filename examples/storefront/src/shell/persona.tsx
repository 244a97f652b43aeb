import { config } from "../config";
import { go } from "../router";
import { become, nameOf, parseWho, type Role, useWho } from "../state/who";

const HOME: Record<Role, string> = { customer: "/", seller: "/seller", admin: "/admin" };

/** The demo's login: be anybody. */
export function Persona() {
  const who = useWho();
  return (
    <label className="persona">
      <span className="visually-hidden">Who you are</span>
      <select
        value={nameOf(who)}
        data-testid="persona"
        onChange={({ target }) => {
          const next = parseWho(target.value);
          if (!next) return;
          become(next);
          if (next.role !== who.role) go(HOME[next.role]);
        }}
      >
        <optgroup label="Customers">
          {config.users.map(({ id, name }) => (
            <option key={id} value={`customer:${id}`}>
              {name}
            </option>
          ))}
        </optgroup>
        <optgroup label="Sellers">
          {config.sellers.map(({ id, name, store }) => (
            <option key={id} value={`seller:${id}`}>
              {name}, {store}
            </option>
          ))}
        </optgroup>
        <option value="admin">Back office</option>
      </select>
    </label>
  );
}
