// A SCIM server of npm's `scimmy` and `scimmy-routers` over SQLite with durable commits, to be measured beside Vestibule.
// Environment: PORT, TOKEN, MODULES (the folder that the packages are installed in). The database is `scimmy.db` in the working folder.
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { DatabaseSync } from "node:sqlite";

const { MODULES, PORT, TOKEN } = process.env;
const require = createRequire(`${MODULES}/package.json`);
const load = async (name) => {
  const module = await import(require.resolve(name));
  return module.default?.default ?? module.default;
};
const express = require("express");
const SCIMMY = await load("scimmy");
const SCIMMYRouters = await load("scimmy-routers");

const database = new DatabaseSync("scimmy.db");
database.exec(`
  pragma journal_mode = wal;
  pragma synchronous = full;
  create table users (id text primary key, key text collate nocase unique, document text not null);
  create table groups (id text primary key, key text collate nocase unique, document text not null);
  create table members (group_id text, user_id text, primary key (group_id, user_id));
  create index members_by_user on members (user_id, group_id);
`);
const statement = (sql) => database.prepare(sql);
const members = {
  of: statement("select user_id as value from members where group_id = ?"),
  groups: statement("select m.group_id as value, g.key as display from members m join groups g on g.id = m.group_id where m.user_id = ?"),
  clear: statement("delete from members where group_id = ?"),
  add: statement("insert or ignore into members values (?, ?)"),
};

function inOneTransaction(work) {
  database.exec("begin immediate");
  try {
    work();
    database.exec("commit");
  } catch (error) {
    database.exec("rollback");
    const taken = String(error.message).includes("UNIQUE");
    throw taken ? new SCIMMY.Types.Error(409, "uniqueness", "it is taken") : error;
  }
}

// What the library calls to write, read and remove resources of one kind, whose key is unique.
function handlers(table, resourceType, key) {
  const rows = {
    one: statement(`select document from ${table} where id = ?`),
    byKey: statement(`select document from ${table} where key = ?`),
    all: statement(`select document from ${table} order by rowid`),
    put: statement(`insert into ${table} values (?, ?, ?) on conflict (id) do update set key = excluded.key, document = excluded.document`),
    remove: statement(`delete from ${table} where id = ?`),
  };
  const missing = (id) => new SCIMMY.Types.Error(404, null, `there is no ${resourceType} ${id}`);
  const read = ({ document }) => {
    const resource = JSON.parse(document);
    if (table === "groups") resource.members = members.of.all(resource.id).map(({ value }) => ({ value, type: "User" }));
    else resource.groups = members.groups.all(resource.id).map((group) => ({ ...group, type: "direct" }));
    const { created, lastModified } = resource.meta;
    resource.meta = { ...resource.meta, created: new Date(created), lastModified: new Date(lastModified) };
    return resource;
  };
  return {
    ingress(request, instance) {
      const id = request.id ?? randomUUID();
      const before = rows.one.get(id);
      if (request.id && !before) throw missing(id);
      const now = new Date().toISOString();
      const { groups, password, members: wanted = [], ...resource } = JSON.parse(JSON.stringify(instance));
      const created = before ? JSON.parse(before.document).meta.created : now;
      const document = { ...resource, id, meta: { resourceType, created, lastModified: now } };
      inOneTransaction(() => {
        rows.put.run(id, resource[key], JSON.stringify(document));
        if (table !== "groups") return;
        members.clear.run(id);
        for (const { value } of wanted) members.add.run(id, value);
      });
      return read(rows.one.get(id));
    },
    egress({ id, filter }) {
      if (id) {
        const row = rows.one.get(id);
        if (!row) throw missing(id);
        return read(row);
      }
      // A comparison with the key goes by the index; the library itself sifts the rest.
      const [only, ...more] = filter ? JSON.parse(JSON.stringify(filter)) : [];
      const wanted = only && !more.length && Object.keys(only).length === 1 && (only[key.toLowerCase()] ?? only[key]);
      const found = Array.isArray(wanted) && wanted[0] === "eq" ? [rows.byKey.get(wanted[1])].filter(Boolean) : rows.all.all();
      return found.map(read);
    },
    degress({ id }) {
      if (!rows.remove.run(id).changes) throw missing(id);
      if (table === "groups") members.clear.run(id);
    },
  };
}

SCIMMY.Resources.declare(SCIMMY.Resources.User, handlers("users", "User", "userName"));
SCIMMY.Resources.declare(SCIMMY.Resources.Group, handlers("groups", "Group", "displayName"));
SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false);

const handler = (request) => {
  if (request.header("Authorization") !== `Bearer ${TOKEN}`) throw new Error("a token is needed");
  return "client";
};
express()
  .use("/scim/v2", new SCIMMYRouters({ type: "bearer", handler }))
  .listen(Number(PORT), "127.0.0.1");
