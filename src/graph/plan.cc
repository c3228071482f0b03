#include "graph/plan.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "base/check.h"
#include "tensor/arena_plan.h"

namespace nibble {
namespace {

constexpr size_t kNoBuffer = SIZE_MAX;

size_t at(int i) { return static_cast<size_t>(i); }

}  // namespace

Plan::Plan(Context& context, const Graph& graph, const std::vector<Value>& outputs, PlanOptions options)
    : context_(context), graph_(graph), observe_(std::move(options.observe)) {
  std::vector<int> ids;
  for (const Value& value : outputs) ids.push_back(value.id());
  Rewritten rewritten = rewrite(graph, ids, options.fuse, observe_);
  nodes_ = std::move(rewritten.nodes);
  order_by_phase();
  std::vector<int> position_of(at(graph.size()), -1);
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) position_of[at(nodes_[at(i)].id)] = i;
  for (int id : ids) outputs_.push_back(position_of[at(id)]);
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i)
    if (graph.node(nodes_[at(i)].id).is_input) input_positions_[nodes_[at(i)].id] = i;
  bound_.assign(nodes_.size(), false);
  assign_buffers(outputs_, options.reuse_memory);
}

// Slow phases first. Within a phase the recorded order stays, so inputs still come before their users.
void Plan::order_by_phase() {
  std::vector<int> order(nodes_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return phase(a) < phase(b); });
  std::vector<int> moved_to(nodes_.size());
  for (int i = 0; i < static_cast<int>(order.size()); ++i) moved_to[at(order[at(i)])] = i;
  std::vector<PlannedNode> sorted;
  for (int old : order) {
    sorted.push_back(nodes_[at(old)]);
    for (int& input : sorted.back().inputs) input = moved_to[at(input)];
  }
  nodes_ = std::move(sorted);
}

void Plan::assign_buffers(const std::vector<int>& outputs, bool reuse_memory) {
  const int count = static_cast<int>(nodes_.size());
  std::vector<int> last(nodes_.size());  // last step that reads the node
  for (int i = 0; i < count; ++i) {
    last[at(i)] = i;
    for (int input : nodes_[at(i)].inputs) last[at(input)] = phase(input) < phase(i) ? count : std::max(last[at(input)], i);
  }
  for (int output : outputs) last[at(output)] = count;

  std::vector<BufferLife> lives;
  std::vector<int> buffer(nodes_.size(), -1);
  scratch_offsets_.assign(nodes_.size(), kNoBuffer);
  std::vector<std::pair<int, int>> scratch;  // node, buffer
  for (int i = 0; i < count; ++i) {
    const PlannedNode& node = nodes_[at(i)];
    const Node& recorded = graph_.node(node.id);
    if (!node.op && !recorded.is_input) continue;
    if (recorded.is_input) {
      buffer[at(i)] = static_cast<int>(lives.size());
      lives.push_back({recorded.type.bytes(), 0, count});
      continue;
    }
    const int view = node.op->view_of();
    if (view >= 0) {
      buffer[at(i)] = buffer[at(node.inputs[at(view)])];
      NIBBLE_CHECK(buffer[at(i)] >= 0, "{}: a view of a constant", node.op->name());
    } else if (const int place = node.op->in_place_of(); reuse_memory && place >= 0) {
      const int source = node.inputs[at(place)];
      const int shared = buffer[at(source)];
      // The source's buffer may be overwritten when this step is its last use, whatever views of it there are.
      if (shared >= 0 && lives[at(shared)].last <= i && last[at(source)] == i && phase(source) == phase(i) &&
          !graph_.node(nodes_[at(source)].id).is_input && lives[at(shared)].bytes == recorded.type.bytes() &&
          std::count(node.inputs.begin(), node.inputs.end(), source) == 1)
        buffer[at(i)] = shared;
    }
    if (buffer[at(i)] < 0) {
      buffer[at(i)] = static_cast<int>(lives.size());
      lives.push_back({recorded.type.bytes(), i, last[at(i)]});
    }
    BufferLife& life = lives[at(buffer[at(i)])];
    life.last = std::max(life.last, last[at(i)]);
    std::vector<TensorType> types;
    for (int input : node.inputs) types.push_back(graph_.node(nodes_[at(input)].id).type);
    if (const size_t bytes = node.op->scratch_bytes(context_, types, recorded.type); bytes > 0) {
      scratch.emplace_back(i, static_cast<int>(lives.size()));
      lives.push_back({bytes, i, i});
    }
  }
  if (!reuse_memory)
    for (BufferLife& life : lives) life = {life.bytes, 0, count};
  const ArenaPlan plan = plan_arena(lives);
  arena_bytes_ = plan.bytes;
  offsets_.assign(nodes_.size(), kNoBuffer);
  for (int i = 0; i < count; ++i)
    if (buffer[at(i)] >= 0) offsets_[at(i)] = plan.offsets[at(buffer[at(i)])];
  for (const auto& [node, index] : scratch) scratch_offsets_[at(node)] = plan.offsets[at(index)];
}

void Plan::reserve() {
  if (!arena_) arena_ = allocate(arena_bytes_);
}

void Plan::reserve_in(void* memory) {
  release();
  arena_ = std::shared_ptr<void>(memory, [](void*) {});
}

void Plan::release() {
  arena_.reset();
  std::fill(bound_.begin(), bound_.end(), false);
  dirty_ = Rate::Model;
  clean_ = false;
}

void Plan::bind(Value input, const void* data, size_t bytes) {
  const auto found = input_positions_.find(input.id());
  if (found == input_positions_.end()) return;  // an input that no output depends on
  reserve();
  const TensorRef to = ref(found->second);
  NIBBLE_CHECK(bytes == to.type.bytes(), "input {}: {} bytes, want {}", graph_.node(input.id()).name, bytes, to.type.bytes());
  std::memcpy(to.data, data, bytes);
  bound_[at(found->second)] = true;
  const Rate rate = phase(found->second);
  dirty_ = clean_ ? rate : std::min(dirty_, rate);
  clean_ = false;
}

void Plan::bind(Value input, const Tensor& tensor) {
  const TensorType& type = input.type();
  NIBBLE_CHECK(tensor.shape() == type.shape, "input {}: {}, want {}", graph_.node(input.id()).name,
               to_string(tensor.shape()), to_string(type.shape));
  const Tensor converted = tensor.to(type.dtype);
  bind(input, converted.data(), converted.bytes());
}

void Plan::bind(const std::string& input, const Tensor& tensor) {
  for (const auto& [id, position] : input_positions_)
    if (graph_.node(id).name == input) return bind(Value(const_cast<Graph*>(&graph_), id), tensor);
  NIBBLE_CHECK(false, "plan has no input {}", input);
}

TensorRef Plan::ref(int position) const {
  const Node& node = graph_.node(nodes_[at(position)].id);
  if (offsets_[at(position)] == kNoBuffer) return {const_cast<void*>(node.constant.data()), node.type};
  return {static_cast<std::byte*>(arena_.get()) + offsets_[at(position)], node.type};
}

void Plan::run_node(int position) {
  const PlannedNode& node = nodes_[at(position)];
  std::vector<TensorRef> inputs;
  inputs.reserve(node.inputs.size());
  for (int input : node.inputs) inputs.push_back(ref(input));
  std::byte* scratch = scratch_offsets_[at(position)] == kNoBuffer
                           ? nullptr
                           : static_cast<std::byte*>(arena_.get()) + scratch_offsets_[at(position)];
  const TensorRef out = ref(position);
  if (reading) {
    const auto is_constant = [&](int input) { return !graph_.node(nodes_[at(input)].id).constant.empty(); };
    const auto found = std::find_if(node.inputs.begin(), node.inputs.end(), is_constant);
    if (found != node.inputs.end()) reading({graph_.node(nodes_[at(*found)].id).name, *node.op, inputs, out.type});
  }
  node.op->run({context_, inputs, out, scratch});
}

void Plan::run() {
  if (clean_) return;
  reserve();
  for (const auto& [id, position] : input_positions_)
    NIBBLE_CHECK(bound_[at(position)], "input {} is not bound", graph_.node(id).name);
  if (timing) seconds_by_op.clear();
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
    const PlannedNode& node = nodes_[at(i)];
    if (phase(i) < dirty_ || !node.op) continue;
    context_.check_cancelled();
    const auto start = std::chrono::steady_clock::now();
    if (node.op->view_of() < 0) run_node(i);
    if (timing) {
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      seconds_by_op[node.op->name()] += took.count();
    }
    const Node& recorded = graph_.node(node.id);
    if (observer && observe_ && observe_(recorded)) observer(recorded.name, ref(i));
  }
  clean_ = true;
  dirty_ = Rate::Branch;
}

TensorRef Plan::output(int index) const { return ref(outputs_[at(index)]); }

Tensor Plan::output_copy(int index) const {
  const TensorRef value = output(index);
  return Tensor::view(value.type.dtype, value.type.shape, value.data, nullptr).clone().to(DType::F32);
}

}  // namespace nibble
