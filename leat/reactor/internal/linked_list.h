// Internal: lists of objects that carry their own links.
#pragma once

namespace leat::internal {

/// A place in a LinkedList of objects that derive from Link<Tag>; one base for each list that an
/// object may be in. What is destroyed leaves its list.
template <typename Tag>
class Link {
 public:
  Link() = default;
  ~Link() { unlink(); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  [[nodiscard]] bool is_linked() const { return next_ != this; }
  void unlink() {
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = this;
  }

 private:
  template <typename T, typename OfTag>
  friend class LinkedList;

  void insert_before(Link& next) {
    previous_ = next.previous_;
    next_ = &next;
    previous_->next_ = this;
    next.previous_ = this;
  }

  Link* previous_ = this;
  Link* next_ = this;
};

/// First in, first out; neither owns nor allocates. One thread.
template <typename T, typename Tag>
class LinkedList {
 public:
  LinkedList() = default;
  ~LinkedList() {
    while (!empty()) head_.next_->unlink();
  }
  LinkedList(const LinkedList&) = delete;
  LinkedList& operator=(const LinkedList&) = delete;

  [[nodiscard]] bool empty() const { return !head_.is_linked(); }
  /// `object` must not be in a list of this tag.
  void push_back(T& object) { static_cast<Link<Tag>&>(object).insert_before(head_); }
  /// Null if there is none.
  [[nodiscard]] T* front() { return empty() ? nullptr : static_cast<T*>(head_.next_); }
  T* pop_front() {
    T* first = front();
    if (first != nullptr) static_cast<Link<Tag>*>(first)->unlink();
    return first;
  }
  /// Moves all of `other` behind what is here.
  void take(LinkedList& other) {
    while (T* first = other.pop_front()) push_back(*first);
  }

 private:
  Link<Tag> head_;
};

}  // namespace leat::internal
