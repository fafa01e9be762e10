#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_FLOAT16 0
#include <toml++/toml.h>

#include "ctoml.h"

namespace {

struct document : ctoml_document {
	toml::table root;
	std::vector<ctoml_node> found;
	std::string message;
};

ctoml_place place(const toml::source_region &region) { return {region.begin.line, region.begin.column}; }

void collect(const toml::node &value, const toml::key *key, std::vector<ctoml_node> &out)
{
	ctoml_node node{};
	node.at = place(value.source());
	if (key) {
		node.key_at = place(key->source());
		node.key = key->str().data();
		node.key_size = key->str().size();
	}
	switch (value.type()) {
	case toml::node_type::table:
		node.kind = CTOML_TABLE;
		node.children = static_cast<uint32_t>(value.as_table()->size());
		break;
	case toml::node_type::array:
		node.kind = CTOML_ARRAY;
		node.children = static_cast<uint32_t>(value.as_array()->size());
		break;
	case toml::node_type::string: {
		const std::string &text = value.as_string()->get();
		node.kind = CTOML_STRING;
		node.text = text.data();
		node.text_size = text.size();
		break;
	}
	case toml::node_type::integer:
		node.kind = CTOML_INTEGER;
		node.number = value.as_integer()->get();
		break;
	case toml::node_type::boolean:
		node.kind = CTOML_BOOLEAN;
		node.number = value.as_boolean()->get();
		break;
	case toml::node_type::date: {
		const toml::date date = value.as_date()->get();
		node.kind = CTOML_DATE;
		node.number = date.year * 10000 + date.month * 100 + date.day;
		break;
	}
	case toml::node_type::time: node.kind = CTOML_TIME; break;
	case toml::node_type::date_time: node.kind = CTOML_DATE_TIME; break;
	default: node.kind = CTOML_FLOAT; break;
	}
	out.push_back(node);
	if (const toml::table *table = value.as_table())
		for (auto &&[name, child] : *table) collect(child, &name, out);
	if (const toml::array *array = value.as_array())
		for (auto &&child : *array) collect(child, nullptr, out);
}

} // namespace

const ctoml_document *ctoml_parse(const char *text, size_t size)
try {
	auto made = std::make_unique<document>(); // zeroed
	toml::parse_result result = toml::parse(std::string_view(text, size));
	if (result) {
		made->root = std::move(result).table();
		collect(made->root, nullptr, made->found);
		made->nodes = made->found.data();
		made->count = made->found.size();
	} else {
		made->message = result.error().description();
		made->error = made->message.c_str();
		made->error_at = place(result.error().source());
	}
	return made.release();
} catch (...) {
	return nullptr;
}

void ctoml_free(const ctoml_document *made)
{
	delete static_cast<const document *>(made);
}
