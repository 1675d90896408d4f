#include "delegate/opencl/plan_memory.h"

#include <numeric>
#include <utility>

#include "delegate/lowering/memory_budget.h"

namespace pconv::opencl {
namespace {

// Per buffer of the plan the memory it lies in; `sizes` of the memories.
std::vector<int> ShareMemory(const Plan& plan, std::vector<size_t>* sizes) {
  const int buffers = static_cast<int>(plan.buffer_bytes.size());
  const int steps = static_cast<int>(plan.steps.size());
  std::vector<int> last(buffers, -1);  // step that uses it
  for (int s = 0; s < steps; ++s) {
    for (const Argument& argument : plan.steps[s].arguments) {
      if (const Activations* used = UsedBy(argument)) last[used->index] = s;
    }
  }
  for (const int output : plan.outputs) last[output] = steps;
  std::vector<int> memory_of(buffers, -1);
  std::vector<int> idle;  // memory that may be used again
  const auto place = [&](int buffer) {
    const size_t bytes = plan.buffer_bytes[buffer];
    auto best = idle.end();
    for (auto it = idle.begin(); it != idle.end(); ++it) {
      const bool fits = (*sizes)[*it] >= bytes;
      if (fits && (best == idle.end() || (*sizes)[*it] < (*sizes)[*best])) best = it;
    }
    if (best == idle.end()) {
      sizes->push_back(bytes);
      memory_of[buffer] = static_cast<int>(sizes->size()) - 1;
    } else {
      memory_of[buffer] = *best;
      idle.erase(best);
    }
  };
  for (const int input : plan.inputs) place(input);
  for (int s = 0; s < steps; ++s) {
    for (const Argument& argument : plan.steps[s].arguments) {
      const Activations* used = UsedBy(argument);
      if (used != nullptr && memory_of[used->index] < 0) place(used->index);
    }
    for (int b = 0; b < buffers; ++b) {
      if (last[b] == s) idle.push_back(memory_of[b]);
    }
  }
  return memory_of;
}

}  // namespace

Status BindArguments(const Context& context, const std::function<cl_mem(Activations)>& memory_of,
                     Step* step) {
  const Kernel& kernel = step->kernel;
  step->images.clear();
  for (cl_uint i = 0; i < step->arguments.size(); ++i) {
    const Argument& argument = step->arguments[i];
    Status status;
    if (const auto* used = std::get_if<Activations>(&argument)) {
      const cl_mem memory = memory_of(*used);
      status = kernel.SetArgument(i, sizeof(memory), &memory);
    } else if (const auto* constant = std::get_if<std::shared_ptr<const Buffer>>(&argument)) {
      const cl_mem memory = (*constant)->get();
      status = kernel.SetArgument(i, sizeof(memory), &memory);
    } else if (const auto* view = std::get_if<ImageView>(&argument)) {
      Image image;
      status =
          Image::Create(context, memory_of(view->activations), view->elements, view->half, &image);
      const cl_mem memory = image.get();
      if (status.ok()) status = kernel.SetArgument(i, sizeof(memory), &memory);
      step->images.push_back(std::move(image));
    } else if (const auto* scratch = std::get_if<Scratch>(&argument)) {
      status = kernel.SetArgument(i, scratch->bytes, nullptr);
    } else if (const auto* number = std::get_if<cl_int>(&argument)) {
      status = kernel.SetArgument(i, sizeof(*number), number);
    } else {
      const cl_float real = std::get<cl_float>(argument);
      status = kernel.SetArgument(i, sizeof(real), &real);
    }
    if (!status.ok()) {
      return Status::Error(step->description + " of '" + step->name + "': " + status.message());
    }
  }
  return Status::Ok();
}

Status AllocateAndBind(const Context& context, int64_t budget, Plan* plan) {
  std::vector<size_t> sizes;
  plan->memory_of = ShareMemory(*plan, &sizes);
  const double bytes = std::accumulate(sizes.begin(), sizes.end(), 0.0);
  if (bytes > static_cast<double>(budget)) return OverBudget("a plan", bytes, budget);
  for (const size_t bytes : sizes) {
    auto made = std::make_shared<Buffer>();
    PCONV_RETURN_IF_ERROR(Buffer::Create(context, bytes, nullptr, made.get()));
    plan->memory.push_back(std::move(made));
    plan->memory_bytes += static_cast<int64_t>(bytes);
  }
  const auto memory_of = [&](Activations used) {
    return plan->memory[plan->memory_of[used.index]]->get();
  };
  for (Step& step : plan->steps) {
    PCONV_RETURN_IF_ERROR(BindArguments(context, memory_of, &step));
  }
  return Status::Ok();
}

}  // namespace pconv::opencl
