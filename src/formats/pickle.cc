#include "formats/pickle.h"

#include <array>
#include <bit>
#include <charconv>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "formats/byte_reader.h"
#include "formats/pickle_names.h"
#include "formats/pickle_ops.h"

namespace nibble {
namespace {

using namespace pickle_op;

constexpr size_t kMaxSteps = 8'000'000, kMaxValues = 1'000'000, kMaxMemo = 1'000'000, kMaxTensors = 200'000;
constexpr size_t kMaxMarks = 10'000, kMaxNames = 10'000, kMaxDimensions = 16;

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const std::string& what) : in_(bytes, what), what_(what) {}

  Pickle run() {
    for (size_t steps = 0;; ++steps) {
      if (steps > kMaxSteps) bad(format("more than {} steps", kMaxSteps));
      const auto op = in_.u8();
      if (op == kStop) break;
      if (!push_number(op) && !push_text(op) && !memo(op) && !stack(op) && !container(op) && !object(op))
        fail(ErrorCode::Unsupported,
             "{}: pickle opcode 0x{:02x} at byte {} is none that torch.save writes; save it as safetensors", what_, op,
             in_.position() - 1);
    }
    if (!marks_.empty()) bad("stops inside a list");
    out_.root = pop();
    out_.end = in_.position();
    return std::move(out_);
  }

 private:
  [[noreturn]] void bad(const std::string& why) const {
    fail(ErrorCode::Corrupt, "{}: damaged pickle at byte {}: {}; download it again", what_, in_.position(), why);
  }

  // The stack. Values below the last mark cannot be popped.
  void push(PickleValue value) {
    if (out_.values.size() >= kMaxValues) bad(format("more than {} values", kMaxValues));
    out_.values.push_back(std::move(value));
    stack_.push_back(static_cast<PickleId>(out_.values.size() - 1));
  }
  PickleId top() const {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) bad("the stack is empty");
    return stack_.back();
  }
  PickleId pop() {
    const PickleId id = top();
    stack_.pop_back();
    return id;
  }
  std::vector<PickleId> pop_to_mark() {
    if (marks_.empty()) bad("no mark");
    std::vector<PickleId> items(stack_.begin() + static_cast<ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }

  void push_int(int64_t value) { push({.kind = PickleKind::Int, .integer = value}); }

  void push_long(size_t count) {
    if (count > 8) {
      in_.take(count);
      push({.kind = PickleKind::Opaque});
      return;
    }
    uint64_t bits = count == 0 ? 0 : in_.number(static_cast<int>(count));
    if (count > 0 && count < 8 && (bits >> (8 * count - 1) & 1) != 0) bits |= ~uint64_t{0} << (8 * count);
    push_int(static_cast<int64_t>(bits));
  }

  void push_decimal(std::string_view line) {
    if (line == "00" || line == "01") return push({.kind = PickleKind::Bool, .integer = line[1] - '0'});
    if (line.ends_with('L')) line.remove_suffix(1);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (error != std::errc() || end != line.data() + line.size()) bad("a number is not one of 64 bits");
    push_int(value);
  }

  bool push_number(uint8_t op) {
    switch (op) {
      case kNone:
        push({});
        return true;
      case kNewTrue:
        push({.kind = PickleKind::Bool, .integer = 1});
        return true;
      case kNewFalse:
        push({.kind = PickleKind::Bool, .integer = 0});
        return true;
      case kInt:
      case kLong:
        push_decimal(in_.take_line());
        return true;
      case kBinInt:
        push_int(static_cast<int32_t>(in_.u32()));
        return true;
      case kBinInt1:
        push_int(in_.u8());
        return true;
      case kBinInt2:
        push_int(in_.u16());
        return true;
      case kLong1:
        push_long(in_.u8());
        return true;
      case kLong4:
        push_long(in_.u32());
        return true;
      case kBinFloat: {
        const uint64_t little = in_.u64();  // stored big endian
        push({.kind = PickleKind::Float, .number = std::bit_cast<double>(__builtin_bswap64(little))});
        return true;
      }
      default:
        return false;
    }
  }

  bool push_text(uint8_t op) {
    const auto text = [&](size_t count) {
      push({.kind = PickleKind::Text, .text = in_.take_text(count)});
      return true;
    };
    switch (op) {
      case kShortBinString:
      case kShortBinBytes:
      case kShortBinUnicode:
        return text(in_.u8());
      case kBinString:
      case kBinBytes:
      case kBinUnicode:
        return text(in_.u32());
      case kBinUnicode8:
      case kBinBytes8:
        return text(in_.u64());
      default:
        return false;
    }
  }

  void remember(uint32_t key) {
    memo_[key] = top();
    if (memo_.size() > kMaxMemo) bad(format("more than {} memo entries", kMaxMemo));
  }
  void recall(uint32_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) bad(format("memo {} is empty", key));
    stack_.push_back(found->second);
  }

  bool memo(uint8_t op) {
    switch (op) {
      case kBinPut:
        remember(in_.u8());
        return true;
      case kLongBinPut:
        remember(in_.u32());
        return true;
      case kMemoize:
        remember(static_cast<uint32_t>(memo_.size()));
        return true;
      case kBinGet:
        recall(in_.u8());
        return true;
      case kLongBinGet:
        recall(in_.u32());
        return true;
      default:
        return false;
    }
  }

  bool stack(uint8_t op) {
    switch (op) {
      case kProto:
        in_.u8();
        return true;
      case kFrame:
        in_.u64();
        return true;
      case kMark:
        if (marks_.size() >= kMaxMarks) bad(format("nested deeper than {} levels", kMaxMarks));
        marks_.push_back(stack_.size());
        return true;
      case kPop:
        pop();
        return true;
      case kPopMark:
        pop_to_mark();
        return true;
      case kDup:
        stack_.push_back(top());
        return true;
      default:
        return false;
    }
  }

  void push_items(PickleKind kind, std::vector<PickleId> items) {
    if (kind == PickleKind::Dict && items.size() % 2 != 0) bad("a key without a value");
    push({.kind = kind, .items = std::move(items)});
  }

  void push_tuple(size_t count) {
    std::vector<PickleId> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    push_items(PickleKind::Tuple, std::move(items));
  }

  // Values without content swallow what is put into them.
  void extend(PickleKind kind, std::span<const PickleId> items) {
    PickleValue& target = out_.values[top()];
    if (target.kind == PickleKind::Opaque) return;
    if (target.kind != kind) bad("items are added to a value that holds none");
    if (kind == PickleKind::Dict && items.size() % 2 != 0) bad("a key without a value");
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  bool container(uint8_t op) {
    switch (op) {
      case kEmptyTuple:
        push_tuple(0);
        return true;
      case kTuple1:
        push_tuple(1);
        return true;
      case kTuple2:
        push_tuple(2);
        return true;
      case kTuple3:
        push_tuple(3);
        return true;
      case kTuple:
        push_items(PickleKind::Tuple, pop_to_mark());
        return true;
      case kEmptyList:
        push_items(PickleKind::List, {});
        return true;
      case kList:
        push_items(PickleKind::List, pop_to_mark());
        return true;
      case kEmptyDict:
        push_items(PickleKind::Dict, {});
        return true;
      case kDict:
        push_items(PickleKind::Dict, pop_to_mark());
        return true;
      case kEmptySet:
        push({.kind = PickleKind::Opaque});
        return true;
      case kAddItems:
        pop_to_mark();
        top();
        return true;
      case kAppends:
        extend(PickleKind::List, pop_to_mark());
        return true;
      case kSetItems:
        extend(PickleKind::Dict, pop_to_mark());
        return true;
      case kAppend: {
        const PickleId item = pop();
        extend(PickleKind::List, {&item, 1});
        return true;
      }
      case kSetItem: {
        const PickleId value = pop(), key = pop();
        extend(PickleKind::Dict, std::array{key, value});
        return true;
      }
      default:
        return false;
    }
  }

  bool object(uint8_t op) {
    switch (op) {
      case kGlobal: {
        const std::string_view module = in_.take_line();
        push_global(module, in_.take_line());
        return true;
      }
      case kStackGlobal: {
        const PickleValue &name = out_[pop()], &module = out_[pop()];
        if (name.kind != PickleKind::Text || module.kind != PickleKind::Text) bad("a class name that is no text");
        push_global(module.text, name.text);
        return true;
      }
      case kBinPersId:
        push_storage(out_[pop()]);
        return true;
      case kReduce:
      case kNewObj: {
        const PickleId args = pop();
        call(out_[pop()], args);
        return true;
      }
      case kBuild: {  // state of an object: OrderedDict._metadata and the like, the attributes of a script object
        const PickleId state = pop();
        const PickleKind kind = out_[top()].kind;
        if (kind != PickleKind::Dict && kind != PickleKind::Opaque && kind != PickleKind::Tensor)
          bad("state for a plain value");
        if (script_objects_.contains(top())) set_attributes(out_[state]);
        return true;
      }
      default:
        return false;
    }
  }

  void push_global(std::string_view module, std::string_view name) {
    const std::string_view full = *out_.names.insert(format("{}.{}", module.substr(0, 200), name.substr(0, 200))).first;
    if (out_.names.size() > kMaxNames) bad(format("more than {} class names", kMaxNames));
    if (is_known_in_pickles(full)) return push({.kind = PickleKind::Global, .text = full});
    if (is_inert_in_pickles(full)) return push({.kind = PickleKind::Opaque});
    fail(ErrorCode::Unsupported,
         "{}: the pickle refers to {}; only tensors in dictionaries and lists are read and nothing is ever executed; "
         "save the state_dict, or save as safetensors",
         what_, full);
  }

  // ("storage", class, key, device, count [, view])
  void push_storage(const PickleValue& id) {
    const auto item = [&](size_t i) -> const PickleValue& { return out_[id.items[i]]; };
    if (id.kind != PickleKind::Tuple || id.items.size() < 5 || item(0).text != "storage" ||
        item(1).kind != PickleKind::Global || item(2).kind != PickleKind::Text || item(4).kind != PickleKind::Int)
      bad("a storage that torch would not write");
    if (id.items.size() > 5 && item(5).kind != PickleKind::None)
      fail(ErrorCode::Unsupported, "{}: storages that view other storages; save it again with a recent torch", what_);
    const std::optional<DType> dtype = pickled_storage_dtype(item(1).text);
    if (!dtype || item(4).integer < 0) bad("a storage of no type or negative size");
    if (out_.storages.size() >= kMaxTensors) bad(format("more than {} storages", kMaxTensors));
    out_.storages.push_back({*dtype, item(2).text, item(4).integer});
    push({.kind = PickleKind::Storage, .integer = static_cast<int64_t>(out_.storages.size() - 1)});
  }

  std::vector<int64_t> ints(const PickleValue& tuple) const {
    std::vector<int64_t> out;
    if (tuple.kind != PickleKind::Tuple || tuple.items.size() > kMaxDimensions) bad("want a tuple of numbers");
    for (const PickleId id : tuple.items) {
      if (out_[id].kind != PickleKind::Int) bad("want a tuple of numbers");
      out.push_back(out_[id].integer);
    }
    return out;
  }

  // torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, …)
  void push_tensor(const PickleValue& args) {
    if (args.items.size() < 4) bad("a tensor without shape or strides");
    const PickleValue &storage = out_[args.items[0]], &offset = out_[args.items[1]];
    if (storage.kind != PickleKind::Storage || offset.kind != PickleKind::Int) bad("a tensor without storage");
    if (out_.tensors.size() >= kMaxTensors) bad(format("more than {} tensors", kMaxTensors));
    out_.tensors.push_back({out_.storages[static_cast<size_t>(storage.integer)], offset.integer,
                            ints(out_[args.items[2]]), ints(out_[args.items[3]])});
    push({.kind = PickleKind::Tensor, .integer = static_cast<int64_t>(out_.tensors.size() - 1)});
  }

  // OrderedDict() or OrderedDict([(key, value), …])
  void push_ordered_dict(const PickleValue& args) {
    std::vector<PickleId> items;
    if (!args.items.empty() && out_[args.items[0]].kind == PickleKind::List)
      for (const PickleId id : out_[args.items[0]].items) {
        const PickleValue& pair = out_[id];
        if (pair.items.size() != 2) bad("a dictionary from something else than pairs");
        items.insert(items.end(), pair.items.begin(), pair.items.end());
        if (items.size() > 2 * kMaxValues) bad("a dictionary of too many pairs");
      }
    push_items(PickleKind::Dict, std::move(items));
  }

  void set_attributes(const PickleValue& state) {
    if (state.kind != PickleKind::Dict) bad("a script object without a dictionary of attributes");
    script_objects_.erase(top());
    out_.values[top()].items = state.items;
  }

  void call(const PickleValue& callee, PickleId args_id) {
    const PickleValue& args = out_[args_id];
    if (callee.kind == PickleKind::Opaque) return push({.kind = PickleKind::Opaque});
    if (callee.kind != PickleKind::Global || args.kind != PickleKind::Tuple)
      bad("a call of something that is no function");
    const std::string_view name = callee.text;
    if (name.starts_with("torch._utils._rebuild_tensor")) return push_tensor(args);
    if (name == "torch._utils._rebuild_parameter" || name == "torch.Size") {
      if (args.items.empty()) bad("a call without arguments");
      stack_.push_back(args.items[0]);
      return;
    }
    if (name == "collections.OrderedDict") return push_ordered_dict(args);
    if (name == "collections.defaultdict") return push_items(PickleKind::Dict, {});
    if (is_script_class(name)) {
      push_items(PickleKind::Dict, {});
      script_objects_.insert(top());
      return;
    }
    bad(format("{} is called", name));
  }

  ByteReader in_;
  std::string what_;
  Pickle out_;
  std::vector<PickleId> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, PickleId> memo_;
  std::unordered_set<PickleId> script_objects_;  // made, attributes not yet set
};

}  // namespace

Pickle read_pickle(std::span<const std::byte> bytes, const std::string& what) { return Machine(bytes, what).run(); }

}  // namespace nibble
